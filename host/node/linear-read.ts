// A linearizable read (R29): asks the validators after it began, and waits until this node has everything
// that a quorum of them shows. Reads at this node afterwards are at least as new as all that anybody was told
// before.
//
//   request   4
//   answer    4                                 nothing is certified yet
//             4 | u8 phase (1 prepare, 2 commit) | certificate
import {
  bytesToHex,
  decodeCertificate,
  encodeCertificate,
  concatBytes,
  refused,
  ok,
  type Validator,
} from '../../runtime/protocol/index.js'
import {
  judgeRound,
  readStands,
  type ReadAnswer,
  type ReadPoint,
  type ReadRound,
} from '../../consensus/driver/read-index.js'
import type { Driver } from '../../consensus/net/driver.js'
import type { ValidatorSet } from '../../consensus/pbft/types.js'
import type { Outcome } from '../api/node-port.js'
import { verifySignature } from '../keys/crypto.js'
import { serviceTag } from './node-services.js'
import { epochOf } from './recovery-watch.js'
import type { RunningNode } from './running-node.js'

const readTag = serviceTag.read
const patienceMs = 5_000
const answerMs = 1_000
const betweenMs = 25

/** Null: this node must not answer, for it may have forgotten what it signed, or is no validator. */
export function answerRead(driver: Driver | undefined): Uint8Array | null {
  const held = driver?.heldCertificate()
  if (held === undefined) return null
  if (held === null) return new Uint8Array([readTag])
  const phase = held.phase === 'prepare' ? 1 : 2
  return concatBytes(new Uint8Array([readTag, phase]), encodeCertificate(held.certificate))
}

/** Undefined: no answer. */
function answerOf(bytes: Uint8Array | null): ReadAnswer | undefined {
  if (bytes === null || bytes[0] !== readTag) return undefined
  if (bytes.length === 1) return null
  const certificate = decodeCertificate(bytes.subarray(2))
  if (!certificate.ok || (bytes[1] !== 1 && bytes[1] !== 2)) return undefined
  return { phase: bytes[1] === 1 ? 'prepare' : 'commit', certificate: certificate.value }
}

/** The parts of a running node that a read needs. */
type Reader = Pick<RunningNode, 'driver' | 'executor' | 'entity' | 'open'>

/** One asking at a time at this node, shared by all reads that came before it began. */
export class ReadRounds {
  private current: Promise<unknown> = Promise.resolve()
  private next: Promise<ReadRound> | undefined

  /** Begins after this call: a round in flight may have been answered before the read began. */
  share(begin: () => Promise<ReadRound>): Promise<ReadRound> {
    if (this.next) return this.next
    const next = this.current.then(() => {
      this.next = undefined
      return begin()
    })
    this.next = next
    this.current = next.catch(() => undefined)
    return next
  }
}

/** The height that this node has reached and that a read needs. NOT_LINEARIZABLE: no quorum showed one. */
export async function linearize(
  parts: Reader,
  rounds: ReadRounds,
  now: () => number,
): Promise<Outcome<{ height: number }>> {
  const end = now() + patienceMs
  let why = ''
  while (now() < end) {
    const round = await rounds.share(() => askRound(parts))
    const { asked, answers } = round
    const height = judgeRound(round, await pointOf(parts), verifySignature)
    why = `${answers.length} of ${asked.members.length} validators answered`
    if (height !== undefined && (await reached(parts, height, asked, () => now() >= end)))
      return ok({ height })
    await pause(betweenMs)
  }
  return refused('NOT_LINEARIZABLE', why)
}

async function pointOf({ executor, open }: Reader): Promise<ReadPoint> {
  const point = await executor.call('tip', null)
  const { tip, nextValidators: validators } = point
  return { chainId: open.chainId, epoch: epochOf(point).epoch, tipHeight: tip.height, validators }
}

async function askRound(parts: Reader): Promise<ReadRound> {
  const asked = (await parts.executor.call('tip', null)).nextValidators
  return { asked, answers: await askAll(parts, asked.members) }
}

async function askAll(parts: Reader, members: readonly Validator[]): Promise<ReadAnswer[]> {
  const { driver } = parts
  const request = new Uint8Array([readTag])
  const peers = new Map(driver.transport.peers().map(({ peer, nodeId }) => [bytesToHex(nodeId), peer]))
  const own = bytesToHex(parts.entity)
  const answers = await Promise.all(
    members.map(async ({ entity }) => {
      const name = bytesToHex(entity)
      if (name === own) return answerOf(answerRead(driver))
      const peer = peers.get(name)
      return peer === undefined ? undefined : answerOf(await driver.ask(peer, request, answerMs))
    }),
  )
  return answers.filter((answer): answer is ReadAnswer => answer !== undefined)
}

/** Waits for the block; false when time is up or other members vote above it. */
async function reached(
  parts: Reader,
  height: number,
  asked: ValidatorSet,
  isLate: () => boolean,
): Promise<boolean> {
  for (;;) {
    const stands = readStands(height, asked, await pointOf(parts))
    if (stands !== 'waits') return stands === 'good'
    if (isLate()) return false
    await pause(betweenMs)
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
