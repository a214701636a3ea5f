// What the gateway keeps in the sealed store beside the chain: submissions until they are answered, and
// answers for as long as a sender may repeat its message. Both go again.
//
// A submission is 0 and the bundle while it may still become final, and 1 and the transaction's id (32
// bytes) from then on: a bundle holds a name and readings, and the store's key does not go when a patient
// is erased.
import { bytesToHex, decodeBundle, recordKind, utf8 } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { CommitReply, ReceiptEntry } from '../executor/messages.js'
import { sha256 } from '../keys/crypto.js'
import { AnswerLog, bytesOfHex } from './answer-log.js'
import { decodeStoredAnswer, submissionKey } from './hl7/answers.js'
import { identifiersOf, nameOf } from './patient-index.js'

/** How long a sender may repeat a message and get the same answer (`duplicateWindowMs`), in ms. */
export const keptMs = 7 * 24 * 3_600_000
/** Submissions without an answer at a time; one list of their keys is written with each message. */
const submissionsMax = 4_096

export const submittedTable = 'hl7-submitted'
const answersTable = 'hl7-answers'
const listPlace = { table: 'hl7-submitted-keys', key: utf8('list') }
const entryBytes = 32 + 8

/** Key of a note: the hex names of messages as bytes. */
const place = (table: string, key: string) => ({ table, key: utf8(key) })

export type Submission =
  { kind: 'open'; id: Uint8Array; bundle: Uint8Array } | { kind: 'final'; id: Uint8Array }

interface Entry {
  timeMs: number
  /** Hex of the transaction id. */
  id: string
  isFinal: boolean
  /** Somebody waits for it: the answer will settle it. */
  isInFlight: boolean
  /** Hospital numbers that the bundle admits. */
  numbers: string[]
}

export class GatewayNotes {
  private readonly entries = new Map<string, Entry>()

  private constructor(
    private readonly executor: ExecutorClient,
    private readonly now: () => number,
    private readonly log: AnswerLog,
  ) {}

  /** Reads what an earlier process left, and drops what is settled or older than `keptMs`. */
  static async open(executor: ExecutorClient, now: () => number): Promise<GatewayNotes> {
    const notes = new GatewayNotes(executor, now, await AnswerLog.open(executor))
    const list = (await executor.call('get', listPlace)) ?? new Uint8Array()
    for (let at = 0; at + entryBytes <= list.length; at += entryBytes) {
      const key = bytesToHex(list.subarray(at, at + 32))
      const timeMs = Number(new DataView(list.buffer, list.byteOffset + at + 32, 8).getBigUint64(0))
      const found = await notes.submission(key)
      if (found) notes.entries.set(key, notes.entryOf(found, timeMs, false))
    }
    await notes.purge()
    return notes
  }

  private entryOf(submission: Submission, timeMs: number, isInFlight: boolean): Entry {
    const isFinal = submission.kind === 'final'
    const numbers = submission.kind === 'open' ? numbersOf(submission.bundle) : []
    return { timeMs, id: bytesToHex(submission.id), isFinal, isInFlight, numbers }
  }

  // ---------------------------------------------------------------------------------------- submissions

  async submission(key: string): Promise<Submission | undefined> {
    const bytes = await this.executor.call('get', place(submittedTable, key))
    if (!bytes || bytes.length < 33) return undefined
    const rest = bytes.slice(1)
    if (bytes[0] === 1) return { kind: 'final', id: rest }
    const decoded = bytes[0] === 0 ? decodeBundle(rest, sha256) : undefined
    return decoded?.ok ? { kind: 'open', id: decoded.value.signed.id, bundle: rest } : undefined
  }

  /** Keeps a bundle before it goes out. False when too many wait: then it must not go out. */
  async keep(key: string, id: Uint8Array, bundle: Uint8Array): Promise<boolean> {
    if (this.entries.size >= submissionsMax && !(await this.dropOldestFinal())) return false
    this.entries.set(key, this.entryOf({ kind: 'open', id, bundle }, this.now(), true))
    await this.executor.call('put', { ...listPlace, value: this.encodedList() })
    await this.executor.call('put', { ...place(submittedTable, key), value: noteOf(0, bundle) })
    return true
  }

  /** Somebody waits for this submission again (true), or nobody does any more. */
  setInFlight(key: string, isInFlight: boolean): void {
    const entry = this.entries.get(key)
    if (entry) entry.isInFlight = isInFlight
  }

  /** The list is not written for it: a key without a note is skipped when the list is read. */
  async drop(key: string): Promise<void> {
    this.entries.delete(key)
    await this.executor.call('put', { ...place(submittedTable, key), value: undefined })
  }

  /** True while another message's admission of one of these numbers may still become final. */
  isAdmitting(numbers: readonly string[], exceptKey: string): boolean {
    for (const [key, entry] of this.entries) {
      if (key === exceptKey || entry.isFinal) continue
      if (entry.numbers.some((number) => numbers.includes(number))) return true
    }
    return false
  }

  /** Bundles that nobody waits for and that may still become final: they go out again after a restart. */
  async openBundles(): Promise<Uint8Array[]> {
    const bundles: Uint8Array[] = []
    for (const [key, entry] of this.entries) {
      const found = entry.isFinal || entry.isInFlight ? undefined : await this.submission(key)
      if (found?.kind === 'open') bundles.push(found.bundle)
    }
    return bundles
  }

  /** What became final after its sender was told "late": its bundle goes, its id stays for the repetition. */
  async onCommit(commit: CommitReply): Promise<void> {
    if (this.entries.size === 0) return
    const receipts = new Map(commit.receipts.map((receipt) => [receipt.id, receipt]))
    for (const [key, entry] of [...this.entries]) {
      const receipt = receipts.get(entry.id)
      if (receipt && !entry.isInFlight && !entry.isFinal) await this.settle(key, entry, receipt)
    }
  }

  private async settle(key: string, entry: Entry, receipt: ReceiptEntry): Promise<void> {
    if (receipt.status !== 0) return this.drop(key)
    entry.isFinal = true
    entry.numbers = []
    const value = noteOf(1, bytesOfHex(entry.id))
    await this.executor.call('put', { ...place(submittedTable, key), value })
  }

  private async dropOldestFinal(): Promise<boolean> {
    for (const [key, entry] of this.entries) {
      if (!entry.isFinal) continue
      await this.drop(key)
      return true
    }
    return false
  }

  private encodedList(): Uint8Array {
    const bytes = new Uint8Array(this.entries.size * entryBytes)
    const view = new DataView(bytes.buffer)
    let at = 0
    for (const [key, { timeMs }] of this.entries) {
      bytes.set(bytesOfHex(key), at)
      view.setBigUint64(at + 32, BigInt(timeMs))
      at += entryBytes
    }
    return bytes
  }

  // -------------------------------------------------------------------------------------------- answers

  async answer(key: string): Promise<Uint8Array | undefined> {
    return (await this.executor.call('get', place(answersTable, key))) ?? undefined
  }

  /** Stores an answer; from then on the submission behind it is not needed. */
  async putAnswer(key: string, answer: Uint8Array): Promise<void> {
    const stored = decodeStoredAnswer(answer)
    await this.log.add(key, stored?.timeMs ?? this.now())
    await this.executor.call('put', { ...place(answersTable, key), value: answer })
    if (stored) await this.drop(submissionKey(key, stored.digest))
  }

  /** Drops what is older than `keptMs`, and settles what became final unseen. */
  async purge(): Promise<void> {
    const before = this.now() - keptMs
    for (const [key, entry] of [...this.entries]) {
      if (entry.isInFlight) continue
      const { receipts } = await this.executor.call('receipt', { id: bytesOfHex(entry.id) })
      if (entry.timeMs < before) await this.drop(key)
      else if (receipts.length > 0 && !entry.isFinal) await this.settle(key, entry, receipts[0])
    }
    await this.log.purge(before, async (key) => {
      const bytes = await this.answer(key)
      const stored = bytes && decodeStoredAnswer(bytes)
      // A control id that was used again after the window has a newer answer, and a newer line in the log.
      if (stored && stored.timeMs >= before) return
      await this.executor.call('put', { ...place(answersTable, key), value: undefined })
    })
  }
}

/** Bytes of a submission's note: 0 and a bundle, or 1 and an id. */
export const noteOf = (kind: 0 | 1, bytes: Uint8Array): Uint8Array => {
  const note = new Uint8Array(1 + bytes.length)
  note[0] = kind
  note.set(bytes, 1)
  return note
}

function numbersOf(bundle: Uint8Array): string[] {
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) return []
  const { signed, bodies } = decoded.value
  const { action } = signed.transaction
  if (action.type !== 'append') return []
  return action.records.flatMap(({ kind }, index) =>
    kind === recordKind.admission ? identifiersOf(bodies[index].content).map(nameOf) : [],
  )
}
