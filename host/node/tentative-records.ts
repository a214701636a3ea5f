// What the rules say here of transactions on which the hospital has not agreed yet (R31): the bedside never
// waits for the quorum. Shown as tentative; taken over by the final record of the same id, or taken back,
// visibly, when agreement came to something else.
import { bytesToHex, recordKind } from '../../runtime/protocol/index.js'
import type { CommitReply, ExecutorCalls, LedgerEntry } from '../executor/messages.js'
import type { PoolPort } from '../pool/pool-port.js'

/** Agreement is late from here on (`localAlarm` of the protocol's timers). */
export const localAlarmMs = 300
/** Waiting transactions that one run looks at: the newest, for the bedside is about now. */
const sourceCountMax = 64
/** A run may cost this share of the executor's time, so that late agreement is not made later still. */
const restFactor = 20
/** What a final transaction did not bring at once may have been carried over to the blocks after it. */
const carryOverMs = 2_000
/** Taken-back alerts stay where they stood that long; other records just go. */
const retractedMs = 10 * 60_000
const retractedCountMax = 200
/**
 * What stands for itself. Answers, signatures, admissions and the rest change what other records mean, and
 * nothing that is not final may change what is.
 */
const shownKinds: ReadonlySet<number> = new Set([
  recordKind.observation,
  recordKind.finding,
  recordKind.alert,
  recordKind.order,
])

export type TentativeFinality = 'tentative' | 'retracted'

export interface TentativeRecord {
  entry: LedgerEntry
  finality: TentativeFinality
}

interface Kept extends TentativeRecord {
  /** Hex id of the signed transaction. */
  source: string
  /** When it is taken back, or forgotten if it was taken back already; ms since 1970. */
  until: number
}

export interface TentativePorts {
  pool: Pick<PoolPort, 'late' | 'size'>
  run(request: ExecutorCalls['tentative'][0]): Promise<ExecutorCalls['tentative'][1]>
  now(): number
  /** Told of every record that appeared or was taken back. */
  onChange(records: readonly TentativeRecord[]): void
}

export class TentativeRecords {
  private readonly kept = new Map<string, Kept>()
  /** Transactions that were looked at and still wait. */
  private readonly seen = new Set<string>()
  private isRunning = false
  private restUntil = 0

  constructor(private readonly ports: TentativePorts) {}

  /**
   * Call a few times a second; cheap while nothing waits. `hasQuorum`: so many validators answer that blocks
   * can become final; in a minority nothing is worth waiting for. Rejects only when the executor failed.
   */
  async tick(hasQuorum: boolean): Promise<void> {
    this.expire()
    const { pool } = this.ports
    if (this.isRunning || pool.size === 0 || this.ports.now() < this.restUntil) return
    const late = pool.late(hasQuorum ? localAlarmMs : 0, sourceCountMax)
    if (late.every(({ id }) => this.seen.has(id))) return
    this.isRunning = true
    // Before the rules run: a transaction that ends meanwhile is not seen any more when they have.
    for (const { id } of late) this.seen.add(id)
    const start = this.ports.now()
    try {
      const reply = await this.ports.run({ bundles: late.map(({ bundle }) => bundle), now: start })
      this.appear(reply.records)
    } finally {
      const end = this.ports.now()
      this.restUntil = end + restFactor * (end - start)
      this.isRunning = false
    }
  }

  /** The final records of a block stand for themselves; what they did not confirm is taken back soon. */
  onCommit(commit: Pick<CommitReply, 'receipts' | 'records' | 'erased'>): void {
    // Bodies of an erased patient may be among them; what still waits is judged anew, by the state after it.
    if (commit.erased) {
      this.kept.clear()
      this.seen.clear()
      return
    }
    for (const { id } of commit.records) this.kept.delete(bytesToHex(id))
    for (const { id } of commit.receipts) this.sourceEnded(id, carryOverMs)
  }

  /** A transaction can no longer become final: what followed from it is taken back now. */
  onDropped(id: string): void {
    this.sourceEnded(id, 0)
    this.expire()
  }

  /** All that stands, in order of appearance; of one patient (hex) and kinds. */
  of(kinds: readonly number[], patient?: string): TentativeRecord[] {
    const wanted = [...this.kept.values()].filter(
      ({ entry }) =>
        kinds.includes(entry.kind) && (patient === undefined || bytesToHex(entry.patient) === patient),
    )
    return wanted.map(({ entry, finality }) => ({ entry, finality }))
  }

  private sourceEnded(source: string, graceMs: number): void {
    if (!this.seen.delete(source)) return
    const until = this.ports.now() + graceMs
    for (const record of this.kept.values())
      if (record.source === source && record.finality === 'tentative') record.until = until
  }

  private appear(records: ExecutorCalls['tentative'][1]['records']): void {
    const fresh: Kept[] = []
    for (const { source, entry } of records) {
      if (!shownKinds.has(entry.kind)) continue
      const id = bytesToHex(entry.id)
      // Became final, or was dropped, while the rules ran.
      if (!this.seen.has(source) || this.kept.get(id)?.finality === 'tentative') continue
      // What was taken back and is due again moves to the end, as if it had never been there.
      this.kept.delete(id)
      const record: Kept = { source, entry, finality: 'tentative', until: Infinity }
      this.kept.set(id, record)
      fresh.push(record)
    }
    if (fresh.length > 0) this.ports.onChange(fresh.map(({ entry, finality }) => ({ entry, finality })))
  }

  private expire(): void {
    if (this.kept.size === 0) return
    const now = this.ports.now()
    const retracted: TentativeRecord[] = []
    let retractedCount = 0
    for (const [id, record] of [...this.kept].reverse()) {
      if (record.finality === 'retracted' && (record.until <= now || retractedCount >= retractedCountMax)) {
        this.kept.delete(id)
      } else if (record.until <= now) {
        record.finality = 'retracted'
        record.until = now + retractedMs
        retracted.push({ entry: record.entry, finality: 'retracted' })
        if (record.entry.kind !== recordKind.alert) this.kept.delete(id)
      }
      if (record.finality === 'retracted') retractedCount += 1
    }
    if (retracted.length > 0) this.ports.onChange(retracted.reverse())
  }
}
