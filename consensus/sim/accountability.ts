// S16, the other half: more than f members lie, two correct nodes finalize different blocks, and what
// everybody saw on the wire proves the guilt of at least f + 1 members, and of no correct one. The auditor
// shares nothing with the core but the signed bytes.

import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { signingBytes } from '../pbft/signing.js'
import type { SignedMessage, ViewChangeMessage, WireMessage } from '../pbft/types.js'
import { transactionKinds } from './app.js'
import { contentOf } from './checker.js'
import { entityOf, fakeHash, fakeVerify, keyOf } from './fake-crypto.js'
import { fired } from './faults.js'
import { cut } from './network.js'
import { createNode, simChainId, startNode } from './node.js'
import { createWorld, runUntil, simDefaults, verdictOf, type Verdict } from './run.js'
import { register, submit } from './schedule.js'
import { after, PrefixEnd, SimFailure, type SimNode, type Watch, type World } from './world.js'

const validators = 4
/** f + 1 of them: enough to be in both quorums without anybody else. */
const liars = 2
const forkMsMax = 30_000

/** Two keys in two copies each, one honest node on either side. The number decides who, when and how long. */
export function runAccountability(seed: number, watch: Watch = {}): Verdict {
  const world = createWorld({
    ...simDefaults,
    validators,
    seed,
    observers: 0,
    only: ['F30', 'F1'],
    ...watch,
  })
  const transcript = new Map<string, SignedMessage>()
  world.onCarried = (_from, _to, message) => note(transcript, message)
  try {
    const isForked = fork(world)
    if (!isForked) throw new SimFailure('S16', 'two copies of f + 1 keys, and no fork: nothing to judge')
    judge(world, [...transcript.values()])
    return verdictOf(world, '', '')
  } catch (error) {
    if (error instanceof PrefixEnd) return verdictOf(world, '', '')
    if (error instanceof SimFailure) return verdictOf(world, error.invariant, error.detail)
    throw error
  }
}

function note(transcript: Map<string, SignedMessage>, message: WireMessage): void {
  if (!('signature' in message) || message.type === 'heartbeat') return
  transcript.set(`${placeOf(message)}/${contentOf(message)}`, message)
}

const placeOf = ({ sender, epoch, height, view, type }: SignedMessage): string =>
  `${bytesToHex(sender)}/${epoch}/${height}/${view}/${type}`

/** Runs until two correct nodes have finalized different blocks: S1, which is what shall happen here. */
function fork(world: World): boolean {
  const { random } = world
  const mixed = random.shuffle(world.nodes)
  const twins = mixed.slice(0, liars)
  const copies = twins.map((node) => {
    const copy = createNode(world, world.nodes.length, node.index)
    world.nodes.push(copy)
    return copy
  })
  for (const node of [...twins, ...copies]) node.isCorrect = false
  const [left, right] = mixed.slice(liars)
  const sides = [
    [...twins, left],
    [...copies, right],
  ]
  for (const node of world.nodes) after(world, random.between(0, 300), () => startNode(world, node))
  const slots = sides.map((side) => side.map(({ slot }) => slot))
  after(world, random.between(0, 3_000), () => cut(world.network, slots[0], slots[1], false))
  const feed = (side: readonly SimNode[]) =>
    after(world, random.exponential(400), () => {
      submit(world, register(world, transactionKinds.plain, 0), side)
      feed(side)
    })
  sides.forEach(feed)
  try {
    runUntil(world, forkMsMax)
  } catch (error) {
    if (!(error instanceof SimFailure) || error.invariant !== 'S1') throw error
    fired(world.plan, 'F30')
    return true
  }
  return false
}

/** S16: at least f + 1 are proved guilty, and each of them is. */
function judge(world: World, transcript: readonly SignedMessage[]): void {
  const guilty = guiltyIn(transcript)
  for (const node of world.nodes) {
    if (node.isCorrect && guilty.has(bytesToHex(node.entity)))
      throw new SimFailure('S16', `node ${node.slot} is framed by the transcript`)
  }
  if (guilty.size < liars)
    throw new SimFailure('S16', `a fork, and only ${guilty.size} members proved guilty`)
}

/**
 * Whose signatures contradict each other: two values at one place, or a COMMIT and a later VIEW-CHANGE of the
 * same height that hides the lock behind it.
 */
export function guiltyIn(transcript: readonly SignedMessage[]): Set<string> {
  const guilty = new Set<string>()
  const signed = new Map<string, string>()
  const genuine = transcript.filter(isGenuine)
  for (const message of genuine) {
    const known = signed.get(placeOf(message))
    if (known === undefined) signed.set(placeOf(message), contentOf(message))
    else if (known !== contentOf(message)) guilty.add(bytesToHex(message.sender))
  }
  const changes = genuine.filter((message): message is ViewChangeMessage => message.type === 'viewChange')
  for (const message of genuine) {
    if (message.type !== 'commit') continue
    const sender = bytesToHex(message.sender)
    const hides = ({ height, view, prepared, ...change }: ViewChangeMessage) =>
      height === message.height &&
      view > message.view &&
      (prepared === null || prepared.view < message.view) &&
      bytesToHex(change.sender) === sender
    if (changes.some(hides)) guilty.add(sender)
  }
  return guilty
}

function isGenuine(message: SignedMessage): boolean {
  const index = Array.from({ length: validators }, (_, at) => at).find(
    (at) => bytesToHex(entityOf(at)) === bytesToHex(message.sender),
  )
  if (index === undefined) return false
  return fakeVerify(keyOf(index, 0), signingBytes(message, simChainId, fakeHash), message.signature)
}
