// Lanes, fuel and credits of the simulated application: small integers with the rules of the real ones
// (consensus reference, section 8). The checker recomputes all of it on its own (ledger-checker.ts).

import { transactionKinds, type SimTransaction } from './app.js'

export const accountCount = 8
/** Most credit that an account regains, and what it regains one unit in. */
export const creditBurst = 400
export const creditUnitMs = 25
/** What an emergency may owe. */
export const overdraftMax = 60

/** Fuel of one block; what `bulk` alone, and what `bulk` and `clinical` together may use of it. */
export const blockFuelMax = 100
export const bulkFuelMax = 25
export const clinicalFuelMax = 80

export type Lane = 'emergency' | 'system' | 'clinical' | 'bulk'

export interface Account {
  readonly credit: number
  /** When it last regained something, ms since 1970; 0 before its first charge. */
  readonly regainedAt: number
}

/** 0 done; the others are failed receipts: charged, or refused, and without any other effect. */
export const receiptStatus = { done: 0, trapped: 1, noCredit: 2 } as const

export function laneOf({ kind }: SimTransaction): Lane {
  switch (kind) {
    case transactionKinds.emergency:
      return 'emergency'
    case transactionKinds.addMember:
    case transactionKinds.removeMember:
    case transactionKinds.rotateKey:
      return 'system'
    case transactionKinds.bulk:
      return 'bulk'
    default:
      return 'clinical'
  }
}

export function fuelOf({ kind, argument }: SimTransaction): number {
  if (kind === transactionKinds.heavy) return argument
  if (kind === transactionKinds.bulk) return 5
  return kind === transactionKinds.trap ? 3 : 1
}

interface Used {
  total: number
  bulk: number
  clinical: number
}

/** Adds the transaction when every cap still holds, the caps themselves included. */
function takes(used: Used, transaction: SimTransaction): boolean {
  const fuel = fuelOf(transaction)
  const lane = laneOf(transaction)
  const bulk = used.bulk + (lane === 'bulk' ? fuel : 0)
  const clinical = used.clinical + (lane === 'bulk' || lane === 'clinical' ? fuel : 0)
  const total = used.total + fuel
  if (bulk > bulkFuelMax || clinical > clinicalFuelMax || total > blockFuelMax) return false
  Object.assign(used, { total, bulk, clinical })
  return true
}

/** Block validity: no leader, however Byzantine, gets over the caps. */
export function isWithinCaps(transactions: readonly SimTransaction[]): boolean {
  const used = { total: 0, bulk: 0, clinical: 0 }
  return transactions.every((transaction) => takes(used, transaction))
}

const laneOrder: readonly Lane[] = ['emergency', 'system', 'clinical', 'bulk']

/** What an honest leader takes: lane by lane, in order of arrival, what still fits. */
export function chooseTransactions(waiting: readonly SimTransaction[]): SimTransaction[] {
  const used = { total: 0, bulk: 0, clinical: 0 }
  return laneOrder.flatMap((lane) =>
    waiting
      .filter((transaction) => laneOf(transaction) === lane)
      .sort((left, right) => left.id - right.id)
      .filter((transaction) => takes(used, transaction)),
  )
}

/** True when the block's fuel ends exactly at a cap (F38). */
export function endsAtCap(transactions: readonly SimTransaction[]): boolean {
  const sumOf = (lanes: readonly Lane[]) =>
    transactions
      .filter((transaction) => lanes.includes(laneOf(transaction)))
      .reduce((sum, transaction) => sum + fuelOf(transaction), 0)
  return (
    sumOf(laneOrder) === blockFuelMax ||
    sumOf(['bulk']) === bulkFuelMax ||
    sumOf(['bulk', 'clinical']) === clinicalFuelMax
  )
}

/** The account after regaining and paying, and whether it could pay. */
export function charge(
  { credit, regainedAt }: Account,
  transaction: SimTransaction,
  time: number,
): { account: Account; isPaid: boolean } {
  const since = regainedAt === 0 ? time : regainedAt
  const units = Math.floor((time - since) / creditUnitMs)
  const regained = Math.max(credit, Math.min(creditBurst, credit + units))
  const next = { credit: regained, regainedAt: since + units * creditUnitMs }
  const floor = laneOf(transaction) === 'emergency' ? -overdraftMax : 0
  const left = regained - fuelOf(transaction)
  return left < floor
    ? { account: next, isPaid: false }
    : { account: { ...next, credit: left }, isPaid: true }
}
