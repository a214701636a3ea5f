// Linearizable reads of simulated clients (R29): a replica asks the members, waits for what a quorum of them
// shows, and answers. The judgement is the driver's own (driver/read-index.ts); asking is done here over the
// simulated links. Chance comes from a stream of its own, so that no other event of a seed depends on it.

import type { Certificate } from '../../runtime/protocol/certificate.js'
import { judgeRound, readStands, type ReadAnswer, type ReadPoint } from '../driver/read-index.js'
import { heldBy } from '../pbft/commit.js'
import type { ValidatorSet } from '../pbft/types.js'
import { validatorSetOf } from './app.js'
import { entityOf, fakeHash, fakeVerify } from './fake-crypto.js'
import { transmit } from './network.js'
import { simChainId } from './node.js'
import { createRandom, type Random } from './random.js'
import { after, trace, type SimNode, type World } from './world.js'

const everyMs = 120
const answerMs = 300
const betweenMs = 20
const patienceMs = 5_000

interface Reading {
  readonly world: World
  readonly random: Random
  readonly node: SimNode
  readonly life: number
  readonly client: string
  readonly owner: number
  /** When the client asked. */
  readonly since: number
}

/** As long as the run lasts, also while nothing is faulty any more. */
export function scheduleLinearReads(world: World): void {
  const random = createRandom(world.options.seed + 0x5eed * 2 ** 32)
  let asked = 0
  const begin = () => {
    const node = random.pick(world.nodes)
    asked += 1
    // Each by a client of its own: several are under way at once.
    const [client, owner] = [`reader ${asked}`, random.below(8)]
    if (isServing(node)) ask({ world, random, node, life: node.life, client, owner, since: world.now })
    after(world, random.exponential(everyMs), begin)
  }
  after(world, everyMs, begin)
}

const isServing = (node: SimNode): boolean => node.core !== null && node.isCorrect && node.halted === ''

/** The replica is gone, or the client has given up. */
const isOver = ({ world, node, life, since }: Reading): boolean =>
  node.life !== life || !isServing(node) || world.now - since > patienceMs

function pointOf({ app, epoch }: SimNode): ReadPoint {
  return { chainId: simChainId, epoch, tipHeight: app.height, validators: validatorSetOf(app.next) }
}

/** One round: every member is asked, and what has come in time is judged. */
function ask(reading: Reading): void {
  const { world, node } = reading
  const { validators: asked } = pointOf(node)
  const answers = new Map<number, ReadAnswer>()
  let isJudged = false
  const judge = () => {
    if (isJudged) return
    isJudged = true
    if (isOver(reading)) return
    const height = judgeRound({ asked, answers: [...answers.values()] }, pointOf(node), fakeVerify)
    if (height === undefined) after(world, betweenMs, () => isOver(reading) || ask(reading))
    else wait(reading, height, asked)
  }
  asked.members.forEach((_, member) => {
    askMember(reading, asked, member, (answer) => {
      // Of twins the first one counts.
      if (!answers.has(member)) answers.set(member, answer)
      if (answers.size === asked.members.length) judge()
    })
  })
  after(world, answerMs, judge)
}

function askMember(
  reading: Reading,
  asked: ValidatorSet,
  member: number,
  done: (answer: ReadAnswer) => void,
): void {
  const { world, node } = reading
  const { entity } = asked.members[member]
  for (const target of world.nodes) {
    if (!isEntity(target, entity)) continue
    overLink(reading, node, target, () => {
      const answer = answerOf(reading, target)
      if (answer !== undefined) overLink(reading, target, node, () => done(answer))
    })
  }
}

const isEntity = (node: SimNode, entity: Uint8Array): boolean =>
  node.entity.every((byte, at) => byte === entity[at])

/** A node is its own neighbour. Copies of what is asked do no harm, so one is enough. */
function overLink({ world, random }: Reading, from: SimNode, to: SimNode, run: () => void): void {
  if (from === to) return after(world, 0, run)
  const { network } = world
  const plan = { ...network.plan, counters: new Map() }
  const [delay] = transmit({ ...network, random, plan }, from.slot, to.slot)
  if (delay !== undefined) after(world, delay, run)
}

/** Undefined: it is down, has nothing to say, or says nothing. */
function answerOf({ random }: Reading, member: SimNode): ReadAnswer | undefined {
  if (member.core === null || member.halted !== '') return undefined
  const held = heldBy(member.core)
  if (member.isCorrect) return held
  const blocks = member.disk.blocks
  switch (random.below(5)) {
    case 0:
      return undefined
    case 1:
      return null
    case 2: {
      const old = blocks.length === 0 ? undefined : random.pick(blocks).final.certificate
      return old && { phase: 'commit', certificate: old }
    }
    case 3:
      return { phase: 'prepare', certificate: forged(member.app.height + random.below(3)) }
    default:
      return held
  }
}

function forged(height: number): Certificate {
  const blockHash = fakeHash(entityOf(height))
  const signatures = [0, 1, 2].map((signer) => new Uint8Array([...blockHash, ...entityOf(signer)]))
  return { height, view: 0, blockHash, resultHash: blockHash, signers: [0, 1, 2], signatures }
}

/** Until this replica has that height; other members above it are asked again. */
function wait(reading: Reading, height: number, asked: ValidatorSet): void {
  const { world, node, client, owner, since } = reading
  if (isOver(reading)) return
  switch (readStands(height, asked, pointOf(node))) {
    case 'waits':
      return after(world, betweenMs, () => wait(reading, height, asked))
    case 'again':
      return ask(reading)
    case 'good': {
      const { app } = node
      trace(world, () => `n${node.slot} linearizable read at ${app.height}, asked at ${since.toFixed(1)}`)
      const answer = String(app.accounts[owner].credit)
      const told = { client, at: world.now, key: `account ${owner}`, height: app.height, answer, since }
      world.clients.linearizable += 1
      world.clients.events.push({ event: 'read', ...told })
    }
  }
}
