// The invariants S1-S17, checked after every event by code that shares no rule with the core: its own
// quorum, its own
// signature bytes for votes, its own replay.

import {
  bytesToHex,
  concatBytes,
  equalBytes,
  u32Bytes,
  u64Bytes,
  utf8,
} from '../../runtime/protocol/bytes.js'
import { blockHash, encodeHeader } from '../../runtime/protocol/block.js'
import type {
  Action,
  Certificate,
  CoreMessage,
  Evidence,
  FinalBlock,
  SignedMessage,
  ViewChangeMessage,
} from '../pbft/types.js'
import {
  decodeTransactions,
  executeBlock,
  genesisState,
  validatorSetOf,
  type Outcome,
  type SimTransaction,
} from './app.js'
import { noteMembers } from './effects.js'
import { checkEmbedded } from './embedded-checker.js'
import { fakeHash, fakeVerify, short } from './fake-crypto.js'
import { noteBlock } from './clients.js'
import { checkJustified } from './justification-checker.js'
import { followBlock, openBook, type LedgerBook } from './ledger-checker.js'
import { simChainId } from './node.js'
import { SimFailure, type SimNode, type World } from './world.js'

type Finalize = Extract<Action, { type: 'finalize' }>

interface Agreed {
  readonly blockHash: string
  readonly resultHash: string
  readonly outcome: Outcome
  /** Of the block, and so of the votes in its certificate. */
  readonly epoch: number
}

export interface Checker {
  /** S1, S9: what the first correct node finalized at each height; index 0 is height 1. */
  readonly chain: Agreed[]
  /** Raised by a recovery: nodes of an older epoch know other members. */
  epoch: number
  /** S5: entity/epoch/height/view/phase → what was signed there. */
  readonly signed: Map<string, string>
  /** S6: slot → the pair and view of its last COMMIT. */
  readonly locks: Map<number, { height: number; view: number; blockHash: string; resultHash: string }>
  /** S8: slot → the highest (height, view) that it signed in. */
  readonly progress: Map<number, { height: number; view: number }>
  /** S2: slot/block → result that this node's executor gave. */
  readonly executions: Map<string, string>
  /** R3: slot → leaders that it gave up and has not heard since. */
  readonly suspects: Map<number, Set<string>>
  /** S10: transaction → its block. */
  readonly placed: Map<number, number>
  /** S11, S12: an own account of every credit. */
  readonly book: LedgerBook
  readonly onExecuted: (node: SimNode, key: string, outcome: Outcome | null) => void
  readonly onEvidence: (world: World, evidence: Evidence) => void
  /** What a leader proposes of what waits: attacks narrow it. */
  selectTransactions: (
    world: World,
    node: SimNode,
    waiting: readonly SimTransaction[],
  ) => readonly SimTransaction[]
  /** Whether a leader that is asked for due work makes a block for it (F22). */
  doesDueWork: (node: SimNode) => boolean
}

export function createChecker(): Checker {
  const executions = new Map<string, string>()
  return {
    chain: [],
    epoch: 0,
    signed: new Map(),
    locks: new Map(),
    progress: new Map(),
    executions,
    suspects: new Map(),
    placed: new Map(),
    book: openBook(),
    onExecuted: (node, key, outcome) => {
      if (outcome !== null) executions.set(`${node.slot}/${key}`, bytesToHex(outcome.resultHash))
    },
    onEvidence: checkEvidence,
    selectTransactions: (_world, _node, waiting) => waiting,
    doesDueWork: () => true,
  }
}

/** The checker's own arithmetic: the smallest q for which two quorums share more than f members. */
export function independentQuorum(memberCount: number): number {
  const faults = Math.floor((memberCount - 1) / 3)
  let quorum = 1
  while (2 * quorum - memberCount <= faults) quorum += 1
  return quorum
}

export function fail(invariant: string, node: SimNode, detail: string): never {
  throw new SimFailure(invariant, `node ${node.slot}: ${detail}`)
}

// --------------------------------------------------------------------------------------------- sending

export function onSend(world: World, node: SimNode, message: CoreMessage): void {
  if (!node.isCorrect || !('signature' in message) || !equalBytes(message.sender, node.entity)) return
  if (message.type === 'heartbeat') return
  checkSignedOnce(world, node, message)
  checkPersisted(node, message)
  checkProgress(world, node, message)
  checkEmbedded(world, node, message)
  if (message.type === 'prepare' || message.type === 'commit') {
    const result = world.checker.executions.get(`${node.slot}/${bytesToHex(message.blockHash)}`)
    if (result !== bytesToHex(message.resultHash))
      fail('S2', node, `${message.type} without the own execution`)
  }
  if (message.type === 'prepare') checkJustified(world, node, message)
  if (message.type === 'viewChange') checkReported(world, node, message)
  if (message.type === 'commit') {
    const { height, view } = message
    const pair = { blockHash: bytesToHex(message.blockHash), resultHash: bytesToHex(message.resultHash) }
    world.checker.locks.set(node.slot, { height, view, ...pair })
  }
}

/** What a signature stands for, at its place. */
export function contentOf(message: SignedMessage): string {
  switch (message.type) {
    case 'proposal':
      return bytesToHex(blockHash(fakeHash, encodeHeader(message.block.header)))
    case 'viewChange':
      return bytesToHex(message.signature)
    default:
      return bytesToHex(message.blockHash) + bytesToHex(message.resultHash)
  }
}

// S5: across crashes and restores, one value for one (epoch, height, view, phase).
function checkSignedOnce(world: World, node: SimNode, message: SignedMessage): void {
  // S13: what came before the base of a recovery is decided; a vote for it could only fork the epochs.
  const base = node.recoveries.at(-1)?.baseHeight ?? 0
  if (message.height <= base) fail('S13', node, `signs ${message.type} in a closed epoch`)
  const key = `${node.index}/${message.epoch}/${message.height}/${message.view}/${message.type}`
  const content = contentOf(message)
  const known = world.checker.signed.get(key)
  if (known === undefined) world.checker.signed.set(key, content)
  else if (known !== content) fail('S5', node, `signed two values for ${key}`)
}

// S7: what leaves is in the synced record.
function checkPersisted(node: SimNode, message: SignedMessage): void {
  const { record } = node.disk
  if (record === null || record.height !== message.height)
    fail('S7', node, `${message.type} before any record`)
  const slots = [record.proposal, record.prepare, record.commit, record.viewChange]
  const isThere = slots.some((kept) => kept !== null && equalBytes(kept.signature, message.signature))
  if (!isThere) fail('S7', node, `${message.type} ${message.height}/${message.view} is not on disk`)
  if (message.type !== 'prepare' && message.type !== 'commit') return
  const bodies = [record.votedBlock, record.preparedBlock, record.proposal]
  const hasBody = bodies.some(
    (kept) =>
      kept !== null && equalBytes(blockHash(fakeHash, encodeHeader(kept.block.header)), message.blockHash),
  )
  if (!hasBody) fail('S7', node, `body of ${short(message.blockHash)} is not on disk with the vote`)
  if (message.type === 'commit' && record.prepared === null)
    fail('S7', node, 'COMMIT without the lock on disk')
}

// S8: (height, view) never goes back, whatever was restored.
function checkProgress(world: World, node: SimNode, message: SignedMessage): void {
  const { height, view } = message
  const last = world.checker.progress.get(node.slot)
  if (last !== undefined && (height < last.height || (height === last.height && view < last.view))) {
    fail('S8', node, `${message.type} at ${height}/${view} after ${last.height}/${last.view}`)
  }
  world.checker.progress.set(node.slot, { height, view })
}

// R11, S6: a member that sent COMMIT reports that lock, or a higher one, to whoever leads next.
function checkReported(world: World, node: SimNode, message: ViewChangeMessage): void {
  const lock = world.checker.locks.get(node.slot)
  if (lock === undefined || lock.height !== message.height || message.view <= lock.view) return
  if (message.prepared === null || message.prepared.view < lock.view) {
    fail('S6', node, `VIEW-CHANGE to ${message.view} hides the lock of view ${lock.view}`)
  }
}

// -------------------------------------------------------------------------------------------- finality

export function onFinalized(world: World, node: SimNode, action: Finalize): void {
  if (!node.isCorrect) return
  if (!equalBytes(action.resultHash, action.final.certificate.resultHash)) {
    fail(
      'S9',
      node,
      `finalizes another result than the certified one at height ${action.final.certificate.height}`,
    )
  }
  checkFinal(world, node, action.final)
}

function checkFinal(world: World, node: SimNode, { block, certificate }: FinalBlock): void {
  const { chain } = world.checker
  const { height } = block.header
  const known = chain[height - 1]
  const pair = {
    blockHash: bytesToHex(certificate.blockHash),
    resultHash: bytesToHex(certificate.resultHash),
  }
  checkCertificate(world, node, { certificate, epoch: block.header.epoch })
  if (known !== undefined) {
    if (known.blockHash !== pair.blockHash) fail('S1', node, `another block at height ${height}`)
    if (known.resultHash !== pair.resultHash) fail('S1', node, `another result at height ${height}`)
    return
  }
  if (height !== chain.length + 1) fail('S3', node, `height ${height} after ${chain.length}`)
  const before = chain.at(-1)
  if (before !== undefined && bytesToHex(block.header.parentHash) !== before.blockHash) {
    fail('S3', node, `height ${height} does not follow its parent`)
  }
  if (before !== undefined && bytesToHex(block.header.parentResultHash) !== before.resultHash) {
    fail('S3', node, `height ${height} names another parent result`)
  }
  // S9, S10: an independent replay from genesis gives the same result; a repeated transaction is invalid
  // there.
  const outcome = executeBlock(before?.outcome.state ?? genesisOf(world), block.header, block.payload)
  if (outcome === null) fail('S2', node, `height ${height} is invalid`)
  if (bytesToHex(outcome.resultHash) !== pair.resultHash) fail('S9', node, `replay of ${height} differs`)
  if (bytesToHex(blockHash(fakeHash, encodeHeader(block.header))) !== pair.blockHash) {
    fail('S4', node, `the certificate of height ${height} is for another block`)
  }
  const { time, epoch } = block.header
  noteMembers(world, (before?.outcome.state ?? genesisOf(world)).next, outcome.state.next)
  chain.push({ ...pair, outcome, epoch })
  const replayed = followBlock(
    world.checker.book,
    { height, time, payload: block.payload },
    outcome.state.accounts,
  )
  noteBlock(world, height, replayed)
  for (const transaction of decodeTransactions(block.payload) ?? []) {
    // S10: at most once, whatever executed it.
    const at = world.checker.placed.get(transaction.id)
    if (at !== undefined) fail('S10', node, `${transaction.id} is in blocks ${at} and ${height}`)
    world.checker.placed.set(transaction.id, height)
    world.acknowledged.set(transaction.id, world.now)
  }
}

const genesisOf = (world: World) => genesisState(world.options.validators)

// S4: q distinct members of that height signed the same subject; the bytes are composed here, not by the
// core.
export function checkCertificate(
  world: World,
  node: SimNode,
  { certificate, epoch }: { certificate: Certificate; epoch: number },
  invariant = 'S4',
): void {
  const before = world.checker.chain[certificate.height - 2]?.outcome.state ?? genesisOf(world)
  const { members } = validatorSetOf(before.next)
  const distinct = new Set(certificate.signers)
  if (distinct.size !== certificate.signers.length) fail(invariant, node, 'a signer twice in a certificate')
  if (distinct.size < independentQuorum(members.length)) {
    fail(
      invariant,
      node,
      `certificate of ${distinct.size} of ${members.length} at height ${certificate.height}`,
    )
  }
  const bytes = concatBytes(
    utf8('wardchain/commit/1'),
    simChainId,
    u32Bytes(epoch),
    u64Bytes(certificate.height),
    u32Bytes(certificate.view),
    certificate.blockHash,
    certificate.resultHash,
  )
  certificate.signers.forEach((signer, at) => {
    const member = members.at(signer)
    if (member === undefined || !fakeVerify(member.voteKey, bytes, certificate.signatures[at])) {
      fail(invariant, node, `bad signature in the certificate of height ${certificate.height}`)
    }
  })
}

// ------------------------------------------------------------------------------------------- other hooks

export function onPersisted(_world: World, node: SimNode): void {
  const { record } = node.disk
  if (record !== null && record.prepared !== null && record.preparedBlock === null)
    fail('S7', node, 'a lock without its body')
}

export function onStarted(world: World, node: SimNode): void {
  if (!node.isCorrect) return
  // S8: the committed prefix never goes back. A block that reached the disk just before a crash counts
  // from here.
  for (const stored of node.disk.blocks) checkFinal(world, node, stored.final)
}

/** After every step: members follow from the chain (S13), and buffers are bounded (S17). */
export function onStepped(world: World, node: SimNode): void {
  const { core } = node
  if (core === null || !node.isCorrect || core.phase !== 'running') return
  const agreed = world.checker.chain[core.tip.height - 1]
  if (
    agreed !== undefined &&
    node.epoch === world.checker.epoch &&
    !equalBytes(validatorSetOf(agreed.outcome.state.next).hash, core.validators.hash)
  ) {
    fail('S13', node, `members of height ${core.height} are not the chain's`)
  }
  checkShown(world, node)
  const memberCount = core.validators.members.length
  const votes = [...core.prepares.values(), ...core.commits.values()].reduce(
    (sum, log) => sum + log.size,
    0,
  )
  const bounds: [string, number, number][] = [
    ['votes', votes, memberCount * 16],
    ['view changes', core.viewChanges.size, memberCount],
    ['future messages', core.future.size, 31 * 5],
    ['candidates', core.candidates.size, 8],
    ['sync blocks', core.sync.blocks.size, 33],
    ['claims', core.sync.claims.size, 64],
    ['reports', totalOf(core.reported), 13 * 32],
    ['conflicts', totalOf(core.conflicts), memberCount * 4],
    ['peers heard', core.lastHeard.size, 64],
    ['peers helped', core.helpedAt.size, 64],
    ['certificates', core.verifiedCertificates.size, 256],
  ]
  for (const [what, count, max] of bounds) {
    if (count > max) fail('S17', node, `${count} ${what}, at most ${max}`)
  }
}

/** R18: with at most f members off, nobody may be made to keep honest transactions out. */
export function onSetAside(world: World, node: SimNode): void {
  const offCount = world.nodes.filter((other) => other.divergesAt > 0).length
  if (
    node.isCorrect &&
    node.divergesAt === 0 &&
    offCount <= Math.floor((world.options.validators - 1) / 3)
  ) {
    fail('R18', node, 'sets transactions aside though correct members agree')
  }
}

/** S14: what a light client believed is what became final; it saw only what was sent to observers. */
export function checkBelieved(world: World): void {
  world.lightClient.accepted.forEach((pair, at) => {
    const agreed = world.checker.chain.at(at)
    if (agreed !== undefined && pair !== agreed.blockHash + agreed.resultHash) {
      throw new SimFailure('S14', `a light client believes another block at height ${at + 1}`)
    }
  })
}

// S14: what an observer shows is its tip; no certificate, no tip.
function checkShown(world: World, node: SimNode): void {
  const { tip, selfIndex } = node.core!
  if (selfIndex >= 0 || tip.height === 0) return
  const agreed = world.checker.chain.at(tip.height - 1)
  const isFinal = agreed?.blockHash === bytesToHex(tip.blockHash)
  if (!isFinal) fail('S14', node, `an observer shows height ${tip.height}, which is not final`)
}

const totalOf = (groups: ReadonlyMap<string, ReadonlySet<string>>) =>
  [...groups.values()].reduce((sum, group) => sum + group.size, 0)

// S16: no correct node is ever framed; evidence is two valid signatures of one Byzantine key.
function checkEvidence(world: World, { first, second }: Evidence): void {
  const accused = world.nodes.find((node) => equalBytes(node.entity, first.sender))
  if (accused === undefined || !equalBytes(first.sender, second.sender)) {
    throw new SimFailure('S16', 'evidence against nobody')
  }
  if (accused.isCorrect) {
    throw new SimFailure(
      'S16',
      `node ${accused.slot} is framed: ${first.type} ${first.height}/${first.view}`,
    )
  }
}
