// Subscriptions and the derived work that records cause: one derived transaction per (transaction, patient,
// rule method), ordered by (priority, address, method), then patient.
import { compareBytes } from '../protocol/bytes.js'
import { hashWithDomain, type Hash } from '../protocol/hash.js'
import type { Lane } from '../protocol/lanes.js'
import type { Manifest } from '../protocol/manifest.js'
import { asciiBytes, byteText } from './byte-text.js'
import type { Overlay } from '../state/overlay.js'
import { ByteWriter } from './byte-writer.js'
import type { Kernel } from './kernel.js'
import { decodeRow, encodeRow, store, triggerRow, type TriggerEntry } from './kernel-tables.js'
import type { LedgerRecord } from './ports.js'

/** One derived transaction that waits to run. */
export interface DerivedItem {
  /** Signed or derived transaction whose records caused it. */
  parent: Uint8Array
  address: Uint8Array
  method: string
  alias: string
  patient: Uint8Array
  /** Entity that signed the first transaction of the cascade; budgets and health count by it. */
  source: Uint8Array
  /** 1 for what a signed transaction causes, one more for each step. */
  generation: number
  records: Uint8Array[]
  lane: Lane
}

/** Derived id = H("wardchain/derived/1" ‖ parent id ‖ address ‖ method utf8 ‖ patient). */
export function derivedId(
  hash: Hash,
  item: Pick<DerivedItem, 'parent' | 'address' | 'method' | 'patient'>,
): Uint8Array {
  const { parent, address, method, patient } = item
  return hashWithDomain(hash, 'wardchain/derived/1', parent, address, asciiBytes(method), patient)
}

/**
 * Subscriptions of a record kind, in order. The table changes at block boundaries only, so a block reads it
 * once.
 */
function subscriptionsOf(kernel: Kernel, kind: number): readonly Subscriber[] {
  const kept = kernel.triggers.get(kind)
  if (kept !== undefined) return kept
  const row = kernel.overlay.get(store.trigger, new Uint8Array([kind]))
  const entries = row === undefined ? [] : decodeRow<TriggerEntry[]>(triggerRow, row)
  const subscribers = entries.map(toSubscriber)
  kernel.triggers.set(kind, subscribers)
  return subscribers
}

/** A subscription and its rule method as one text. */
export interface Subscriber extends TriggerEntry {
  rule: string
}

export const toSubscriber = (entry: TriggerEntry): Subscriber => ({
  ...entry,
  rule: `${byteText(entry.address)}${entry.method}`,
})

interface Match {
  entry: Subscriber
  patient: Uint8Array
  patientText: string
  records: LedgerRecord[]
}

/** What the records of one finished transaction cause, in the order in which it runs. */
export function derivedWork(
  kernel: Kernel,
  records: readonly LedgerRecord[],
  cause: Pick<DerivedItem, 'parent' | 'source' | 'generation' | 'lane'>,
): DerivedItem[] {
  const matches: Match[] = []
  for (const record of records) {
    const { kind, code, patient } = record.header
    const subscribers = subscriptionsOf(kernel, kind)
    if (subscribers.length === 0) continue
    const patientText = byteText(patient)
    for (const entry of subscribers) {
      if (entry.codes.length > 0 && !entry.codes.includes(code)) continue
      const match = matches.find(
        (known) => known.entry.rule === entry.rule && known.patientText === patientText,
      )
      // A method may subscribe twice (two kinds): it runs once, at its first priority, with all its
      // records.
      if (match === undefined) matches.push({ entry, patient, patientText, records: [record] })
      else {
        if (entry.priority < match.entry.priority) match.entry = entry
        if (!match.records.includes(record)) match.records.push(record)
      }
    }
  }
  if (matches.length > 1) matches.sort(compareMatches)
  const { parent, source, generation, lane } = cause
  return matches.map(({ entry: { address, method, alias }, patient, records: matching }) => {
    const ids = matching.map((record) => record.id)
    return { parent, address, method, alias, patient, source, generation, records: ids, lane }
  })
}

function compareMatches(left: Match, right: Match): number {
  return compareEntries(left.entry, right.entry) || compareBytes(left.patient, right.patient)
}

/**
 * Order of a cascade step: priority, address, method. Method names are ASCII, so text order is byte order.
 */
function compareEntries(left: TriggerEntry, right: TriggerEntry): number {
  if (left.priority !== right.priority) return left.priority - right.priority
  const addresses = compareBytes(left.address, right.address)
  if (addresses !== 0) return addresses
  return left.method < right.method ? -1 : left.method > right.method ? 1 : 0
}

const scratch = new ByteWriter(4_096)

/** Borsh `triggerInput`: patient, parent transaction, the matching records. */
export function encodeTriggerInput(
  patient: Uint8Array,
  parent: Uint8Array,
  views: readonly Uint8Array[],
): Uint8Array {
  const writer = scratch.clear()
  writer.raw(patient)
  writer.raw(parent)
  writer.u32(views.length)
  for (const view of views) writer.raw(view)
  return writer.finish()
}

/** Replaces the subscriptions of an alias by those of its new active version. */
export function switchSubscriptions(
  overlay: Overlay,
  next: { alias: string; address: Uint8Array; manifest: Manifest },
  before: Manifest | undefined,
): void {
  const kinds = new Set(
    [...(before?.subscriptions ?? []), ...next.manifest.subscriptions].map(({ kind }) => kind),
  )
  for (const kind of [...kinds].sort((left, right) => left - right)) {
    const key = new Uint8Array([kind])
    const row = overlay.get(store.trigger, key)
    const others = (row === undefined ? [] : decodeRow<TriggerEntry[]>(triggerRow, row)).filter(
      (entry) => entry.alias !== next.alias,
    )
    const added = next.manifest.subscriptions
      .filter((subscription) => subscription.kind === kind)
      .map(({ priority, method, codes }) => ({
        priority,
        method,
        codes,
        address: next.address,
        alias: next.alias,
      }))
    const entries = [...others, ...added].sort(compareEntries)
    if (entries.length === 0) overlay.remove(store.trigger, key)
    else overlay.set(store.trigger, key, encodeRow(triggerRow, entries))
  }
}
