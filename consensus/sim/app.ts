// The simulated application: a hash chain over transactions, with due work and membership changes at H+2.
// Nothing here is shared with the core; the checker replays blocks with it.

import type { BlockHeader, BlockResult } from '../../runtime/protocol/block.js'
import { encodeResult, resultHash } from '../../runtime/protocol/block.js'
import {
  bytesToHex,
  concatBytes,
  equalBytes,
  u32Bytes,
  u64Bytes,
  utf8,
} from '../../runtime/protocol/bytes.js'
import type { Validator } from '../../runtime/protocol/certificate.js'
import type { ValidatorSet } from '../pbft/types.js'
import { entityOf, fakeHash, keyOf } from './fake-crypto.js'
import { accountCount, charge, creditBurst, isWithinCaps, receiptStatus, type Account } from './ledger.js'

export const transactionKinds = {
  plain: 0,
  emergency: 1,
  /** Asks for a block `argument` x 100 ms later. */
  timer: 2,
  /** Leaves work over: the next block is due at once. */
  carry: 3,
  addMember: 4,
  removeMember: 5,
  rotateKey: 6,
  bulk: 7,
  /** Traps half-way: charged, and nothing else happens. */
  trap: 8,
  /** Uses `argument` fuel. */
  heavy: 9,
  /** Institution keys: `argument` is a bit for each member from now on, whatever a single change may do. */
  forceMembers: 10,
} as const

/** 8 bytes: kind u8, argument u8, zero u16, id u32 BE. */
export interface SimTransaction {
  readonly id: number
  readonly kind: number
  readonly argument: number
}

export function encodeTransactions(transactions: readonly SimTransaction[]): Uint8Array {
  const bytes = new Uint8Array(transactions.length * 8)
  const view = new DataView(bytes.buffer)
  transactions.forEach((transaction, index) => {
    view.setUint8(index * 8, transaction.kind)
    view.setUint8(index * 8 + 1, transaction.argument)
    view.setUint32(index * 8 + 4, transaction.id)
  })
  return bytes
}

export function decodeTransactions(payload: Uint8Array): SimTransaction[] | null {
  if (payload.length % 8 !== 0) return null
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const transactions: SimTransaction[] = []
  for (let offset = 0; offset < payload.length; offset += 8) {
    const kind = view.getUint8(offset)
    if (kind > transactionKinds.forceMembers) return null
    transactions.push({ kind, argument: view.getUint8(offset + 1), id: view.getUint32(offset + 4) })
  }
  return transactions
}

/** All state after a block. `next` is the set of the following height, `afterNext` the one after it. */
export interface AppState {
  readonly height: number
  readonly root: Uint8Array
  readonly next: readonly SimMember[]
  readonly afterNext: readonly SimMember[]
  readonly dueTime: number
  readonly executed: ReadonlySet<number>
  /** Order-free sum over `executed`: what a snapshot's list of ids is checked against. */
  readonly executedSum: number
  /** Owner: id modulo the number of accounts. */
  readonly accounts: readonly Account[]
}

export interface SimReceipt {
  readonly id: number
  readonly status: number
  /** Of its owner, after it. */
  readonly credit: number
}

export interface SimMember {
  readonly index: number
  readonly rotation: number
}

const genesisStates = new Map<number, AppState>()

export function genesisState(memberCount: number): AppState {
  const known = genesisStates.get(memberCount)
  if (known !== undefined) return known
  const members = Array.from({ length: memberCount }, (_, index) => ({ index, rotation: 0 }))
  const state = {
    height: 0,
    root: fakeHash(new Uint8Array([memberCount])),
    next: members,
    afterNext: members,
    dueTime: 0,
    executed: new Set<number>(),
    executedSum: 0,
    accounts: new Array<Account>(accountCount).fill({ credit: creditBurst, regainedAt: 0 }),
  }
  genesisStates.set(memberCount, state)
  return state
}

/** Pure, so one set per member list is made once; runs spend a tenth of their time here otherwise. */
const setOfMembers = new WeakMap<readonly SimMember[], ValidatorSet>()

export function validatorSetOf(members: readonly SimMember[]): ValidatorSet {
  const known = setOfMembers.get(members)
  if (known !== undefined) return known
  const validators: Validator[] = members.map(({ index, rotation }) => ({
    entity: entityOf(index),
    voteKey: keyOf(index, rotation),
  }))
  const parts = validators.flatMap((member) => [member.entity, member.voteKey])
  const set = { hash: fakeHash(concatBytes(...parts)), members: validators }
  setOfMembers.set(members, set)
  setsByHash.set(bytesToHex(set.hash), set)
  return set
}

const setsByHash = new Map<string, ValidatorSet>()

/** The members behind a hash: anybody may hand them over, for the hash proves them. */
export const setOfHash = (hash: Uint8Array): ValidatorSet | undefined => setsByHash.get(bytesToHex(hash))

export interface Outcome {
  readonly state: AppState
  readonly receipts: readonly SimReceipt[]
  readonly result: BlockResult
  readonly resultHash: Uint8Array
}

/** Executes a block above `before`; null when it is invalid. */
export function executeBlock(before: AppState, header: BlockHeader, payload: Uint8Array): Outcome | null {
  if (!payloadMatches(header, payload)) return null
  const transactions = decodeTransactions(payload)
  if (transactions === null) return null
  const isDue = before.dueTime !== 0 && before.dueTime <= header.time
  // No empty blocks but for due work; and changes of members act two heights later, so blocks may be
  // needed (R25).
  if (transactions.length === 0 && !isDue) return null
  if (!isWithinCaps(transactions)) return null
  const executed = new Set(before.executed)
  const draft = {
    ...{ dueTime: isDue ? 0 : before.dueTime, afterNext: before.afterNext },
    ...{ accounts: [...before.accounts], executedSum: before.executedSum },
  }
  const receipts: SimReceipt[] = []
  for (const transaction of transactions) {
    if (executed.has(transaction.id)) return null
    executed.add(transaction.id)
    draft.executedSum = (draft.executedSum + Math.imul(transaction.id, 0x9e3779b1)) >>> 0
    receipts.push(runTransaction(before, draft, transaction, header.time))
  }
  const root = fakeHash(concatBytes(before.root, payload, u64Bytes(header.time)))
  const { dueTime, afterNext, accounts, executedSum } = draft
  const state = {
    ...{ height: header.height, root, next: before.afterNext, afterNext, dueTime, executed },
    ...{ executedSum, accounts },
  }
  const result = {
    stateRoot: stateRootOf(state),
    receiptsRoot: fakeHash(payload),
    nextValidatorsHash: validatorSetOf(state.next).hash,
    fuelUsed: transactions.length,
    nextDueTime: dueTime,
  }
  return { state, receipts, result, resultHash: resultHash(fakeHash, encodeResult(result)) }
}

interface Draft {
  dueTime: number
  afterNext: readonly SimMember[]
  readonly accounts: Account[]
  executedSum: number
}

/** F38: one that traps or cannot pay has a failed receipt and no effect but the charge. */
function runTransaction(
  before: AppState,
  draft: Draft,
  transaction: SimTransaction,
  time: number,
): SimReceipt {
  const owner = transaction.id % accountCount
  const { account, isPaid } = charge(draft.accounts[owner], transaction, time)
  draft.accounts[owner] = account
  const failed = transaction.kind === transactionKinds.trap ? receiptStatus.trapped : receiptStatus.done
  const status = isPaid ? failed : receiptStatus.noCredit
  if (status === receiptStatus.done) applyEffects(before, draft, transaction, time)
  return { id: transaction.id, status, credit: account.credit }
}

function applyEffects(before: AppState, draft: Draft, transaction: SimTransaction, time: number): void {
  if (transaction.kind === transactionKinds.timer) {
    const due = time + transaction.argument * 100
    draft.dueTime = draft.dueTime === 0 ? due : Math.min(draft.dueTime, due)
  }
  if (transaction.kind === transactionKinds.carry) draft.dueTime = time
  // S13, one change in flight: refused changes are failed receipts, not invalid blocks.
  if (draft.afterNext === before.afterNext && equalMembers(before.next, before.afterNext)) {
    draft.afterNext = changedMembers(draft.afterNext, transaction)
  }
}

/** Covers everything in the state: the certified root that a snapshot must have (S15). */
export function stateRootOf(state: AppState): Uint8Array {
  const members = [...state.next, { index: 255, rotation: 0 }, ...state.afterNext]
  return fakeHash(
    concatBytes(
      state.root,
      u64Bytes(state.height),
      u64Bytes(state.dueTime),
      u32Bytes(state.executed.size),
      u32Bytes(state.executedSum),
      ...members.map(({ index, rotation }) => u32Bytes(index * 65_536 + rotation)),
      utf8(state.accounts.map(({ credit, regainedAt }) => `${credit}@${regainedAt}`).join()),
    ),
  )
}

const equalMembers = (left: readonly SimMember[], right: readonly SimMember[]) =>
  left.length === right.length && left.every((member, at) => member === right[at])

function changedMembers(members: readonly SimMember[], change: SimTransaction): readonly SimMember[] {
  const position = members.findIndex((member) => member.index === change.argument)
  switch (change.kind) {
    case transactionKinds.addMember:
      return position >= 0 ? members : [...members, { index: change.argument, rotation: 0 }]
    case transactionKinds.removeMember:
      // 4 members tolerate one fault; fewer tolerate none: refused.
      if (position < 0 || members.length <= 4) return members
      return members.filter((_, at) => at !== position)
    case transactionKinds.forceMembers:
      return forcedMembers(members, change.argument)
    case transactionKinds.rotateKey:
      if (position < 0) return members
      return members.map((member, at) =>
        at === position ? { ...member, rotation: member.rotation + 1 } : member,
      )
    default:
      return members
  }
}

function forcedMembers(members: readonly SimMember[], mask: number): readonly SimMember[] {
  const indexes = Array.from({ length: 8 }, (_, index) => index).filter(
    (index) => (mask >> index) % 2 === 1,
  )
  if (indexes.length === 0) return members
  return indexes.map((index) => members.find((member) => member.index === index) ?? { index, rotation: 0 })
}

export function rootsOf(payload: Uint8Array): Uint8Array[] {
  const empty = new Uint8Array(32)
  return [empty, empty, payload.length === 0 ? empty : fakeHash(payload), empty, empty]
}

export function payloadMatches(header: BlockHeader, payload: Uint8Array): boolean {
  return rootsOf(payload).every((root, at) => equalBytes(root, header.transactionRoots[at]))
}
