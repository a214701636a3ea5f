// Credit: a sender's allowance of fuel and bytes, which comes back with block time. Whoever floods uses up
// his own. Integers only; golden vectors in vectors/credit.json. A sender of ordinary pace, whose use comes
// back within the same block interval, has no row at all.
import { equalBytes } from '../protocol/bytes.js'
import { entityKind } from '../protocol/entity.js'
import { lane, priority, type Lane } from '../protocol/lanes.js'
import { assert } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { byteText } from './byte-text.js'
import { store } from './kernel-tables.js'

/** What one transaction costs beside its fuel: checking its signature, and keeping its bytes for ever. */
export const creditPrices = { transaction: 100_000, byte: 50 } as const
/** Largest burst and rate of a grant: products with milliseconds stay safe integers. */
export const creditMax = 2 ** 42
/** Of one block's interval, at most this much comes back before the block's own use is drawn. */
const intervalMsMax = 1_000

export interface CreditTerms {
  /** Fuel at most held. Every kind's allowance covers the largest transaction. */
  burst: number
  /** Fuel that comes back per second of block time. */
  perSecond: number
}

const terms = (burst: number, perSecond: number): CreditTerms => ({ burst, perSecond })

/**
 * Terms of a sender that governance granted nothing, by entity kind. A set of seven vital signs costs about
 * 1.7 M; a monitor sends one a second at most, a ward's feed ten.
 */
const termsByKind: ReadonlyMap<number, CreditTerms> = new Map([
  [entityKind.person, terms(4_000_000_000, 100_000_000)],
  [entityKind.source, terms(2_100_000_000, 20_000_000)],
  [entityKind.gateway, terms(4_000_000_000, 200_000_000)],
  [entityKind.vendor, terms(4_000_000_000, 50_000_000)],
  [entityKind.service, terms(4_000_000_000, 100_000_000)],
])
const termsElse = terms(2_100_000_000, 20_000_000)

/** An emergency may overdraw by this part of the burst: bounds a stuck sensor, never a first alarm. */
const overdraftShare = 4

/** `$credit` at an entity id. i64 LE left ‖ u64 LE time, and when granted u64 burst ‖ u64 perSecond ‖ u8. */
export interface CreditRow {
  /** Fuel left at `time`; below zero after an overdraft. */
  left: number
  /** Block time of the last draw, ms. */
  time: number
  granted?: CreditTerms & { priority: number }
}

const plainRowBytes = 16
const grantedRowBytes = 33

export function encodeCreditRow(row: CreditRow): Uint8Array {
  const bytes = new Uint8Array(row.granted === undefined ? plainRowBytes : grantedRowBytes)
  const view = new DataView(bytes.buffer)
  view.setBigInt64(0, BigInt(row.left), true)
  view.setBigUint64(8, BigInt(row.time), true)
  if (row.granted === undefined) return bytes
  view.setBigUint64(16, BigInt(row.granted.burst), true)
  view.setBigUint64(24, BigInt(row.granted.perSecond), true)
  bytes[32] = row.granted.priority
  return bytes
}

function decodeCreditRow(bytes: Uint8Array): CreditRow {
  assert(bytes.length === plainRowBytes || bytes.length === grantedRowBytes, 'a credit row fits its layout')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const row: CreditRow = {
    left: Number(view.getBigInt64(0, true)),
    time: Number(view.getBigUint64(8, true)),
  }
  if (bytes.length === plainRowBytes) return row
  const [burst, perSecond] = [16, 24].map((at) => Number(view.getBigUint64(at, true)))
  return { ...row, granted: { burst, perSecond, priority: bytes[32] } }
}

export function readCredit(state: StateReader, entity: Uint8Array): CreditRow | undefined {
  const bytes = state.get(store.credit, entity)
  return bytes === undefined ? undefined : decodeCreditRow(bytes)
}

export const priorityOf = (row: CreditRow | undefined): number =>
  row?.granted?.priority ?? priority.standard

export const termsOf = (kind: number, row?: CreditRow): CreditTerms =>
  row?.granted ?? termsByKind.get(kind) ?? termsElse

/** Credit that a transaction reserves: its fuel, its bytes and its check. */
export const creditCost = (fuelReserved: number, bundleBytes: number): number =>
  fuelReserved + creditPrices.transaction + bundleBytes * creditPrices.byte

/** Fuel that comes back in `elapsedMs`, never more than `missing`. */
function refill(perSecond: number, elapsedMs: number, missing: number): number {
  if (perSecond === 0 || elapsedMs <= 0 || missing <= 0) return 0
  const fullAfterMs = Math.ceil((missing * 1_000) / perSecond)
  return elapsedMs >= fullAfterMs ? missing : Math.floor((elapsedMs * perSecond) / 1_000)
}

/**
 * Credit of a sender in a block: what was there when the interval since its parent began, at most the burst,
 * and on top what comes back in that interval, of which at most its last second counts.
 */
export function availableCredit(
  { burst, perSecond }: CreditTerms,
  row: CreditRow | undefined,
  at: { parentTime: number; time: number },
): number {
  const intervalMs = Math.min(intervalMsMax, Math.max(0, at.time - at.parentTime))
  const left = Math.min(burst, row?.left ?? burst)
  const elapsedMs = row === undefined ? 0 : at.time - intervalMs - row.time
  return left + refill(perSecond, elapsedMs, burst - left) + Math.floor((intervalMs * perSecond) / 1_000)
}

/** Most that an emergency may draw below zero. */
export const overdraftOf = ({ burst }: CreditTerms): number => Math.floor(burst / overdraftShare)

/**
 * Milliseconds of block time after which a cost is available, or undefined when the whole allowance is
 * smaller.
 */
export function retryAfterMs(
  { burst, perSecond }: CreditTerms,
  available: number,
  cost: number,
): number | undefined {
  if (cost > burst || (perSecond === 0 && cost > available)) return undefined
  return perSecond === 0 ? 0 : Math.max(1, Math.ceil(((cost - available) * 1_000) / perSecond))
}

export type Reservation = 'ok' | 'overdrawn' | 'exhausted'

interface Account {
  entity: Uint8Array
  row: CreditRow | undefined
  terms: CreditTerms
  available: number
  /** Reserved by this block's transactions, less what they gave back. */
  drawn: number
}

/**
 * Credits of one block: read once a sender, written once. What header and parent state say decides: a
 * transaction's unused fuel is given back when it has run, for the next block.
 */
export class CreditBook {
  readonly #state: StateReader
  readonly #at: { parentTime: number; time: number }
  readonly #accounts = new Map<string, Account>()
  /** The one asked for last: a transaction asks five times for its sender's. */
  #last: Account | undefined

  constructor(state: StateReader, at: { parentTime: number; time: number }) {
    this.#state = state
    this.#at = at
  }

  /** The row of the parent state. */
  row(entity: Uint8Array, kind: number): CreditRow | undefined {
    return this.#account(entity, kind).row
  }

  /** May this sender spend `cost` more in this block? Counts nothing. */
  check(entity: Uint8Array, kind: number, of: Lane, cost: number): Reservation {
    const account = this.#account(entity, kind)
    const after = account.available - account.drawn - cost
    if (after >= 0) return 'ok'
    return of === lane.emergency && after >= -overdraftOf(account.terms) ? 'overdrawn' : 'exhausted'
  }

  /** As `check`, and counted when it may. */
  reserve(entity: Uint8Array, kind: number, of: Lane, cost: number): Reservation {
    const reservation = this.check(entity, kind, of, cost)
    if (reservation !== 'exhausted') this.#account(entity, kind).drawn += cost
    return reservation
  }

  /** When a refused `cost` would be available; undefined: never, under these terms. */
  retryAfterMs(entity: Uint8Array, kind: number, cost: number): number | undefined {
    const { terms: own, available, drawn } = this.#account(entity, kind)
    return retryAfterMs(own, available - drawn, cost)
  }

  /** What is left for further transactions of this block. */
  left(entity: Uint8Array, kind: number): number {
    const { available, drawn } = this.#account(entity, kind)
    return available - drawn
  }

  /** A transaction has run and did not use all that it reserved. */
  giveBack(entity: Uint8Array, fuel: number): void {
    const account = this.#known(entity)
    assert(
      account !== undefined && fuel >= 0 && fuel <= account.drawn,
      'only reserved credit is given back',
    )
    account.drawn -= fuel
  }

  /** Writes the rows of senders whose allowance is not full after this block. */
  flush(overlay: Overlay): void {
    for (const { entity, row, terms: own, available, drawn } of this.#accounts.values()) {
      const left = Math.min(own.burst, available - drawn)
      if (drawn === 0 || left === own.burst) continue
      const written: CreditRow = { left, time: this.#at.time }
      if (row?.granted !== undefined) written.granted = row.granted
      overlay.set(store.credit, entity, encodeCreditRow(written))
    }
  }

  #account(entity: Uint8Array, kind: number): Account {
    let account = this.#known(entity)
    if (account === undefined) {
      const row = readCredit(this.#state, entity)
      const own = termsOf(kind, row)
      account = { entity, row, terms: own, available: availableCredit(own, row, this.#at), drawn: 0 }
      this.#accounts.set(byteText(entity), account)
      this.#last = account
    }
    return account
  }

  #known(entity: Uint8Array): Account | undefined {
    if (this.#last !== undefined && equalBytes(this.#last.entity, entity)) return this.#last
    const account = this.#accounts.get(byteText(entity))
    if (account !== undefined) this.#last = account
    return account
  }
}
