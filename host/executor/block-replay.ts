// `ward replay`: one past transaction run again on the state before its block, in the reader thread and from
// one pinned height. Journals are read a few at a time between other questions; the block runs in one go.
import {
  bytesToHex,
  decodeCertificate,
  decodeHeader,
  decodePayload,
  decodeReceipt,
  decodeResult,
  encodeResult,
  listRoot,
  resultHash,
  verifyCertificate,
  type BlockHeader,
  type BlockResult,
  type ErrorCode,
  type Payload,
  type Receipt,
  type Validator,
} from '../../runtime/protocol/index.js'
import {
  createModuleCache,
  decodeRow,
  decodeUndo,
  readValidators,
  replayTransaction,
  RewoundState,
  store as tables,
  chainRow,
  onlyKey,
  type ChainRow,
  type ModuleCache,
  type Replay,
} from '../../runtime/execution/index.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { ChainStore, StoredBlock } from '../store/index.js'
import type { ChainState } from './chain-state.js'
import type { ReplayReply } from './messages.js'
import type { RecoveryBook } from './recovery-book.js'
import { replayView } from './replay-view.js'
import { attachPayload } from './stored-payload.js'

const ports = { hash: sha256, verify: verifySignature }
/** Time that one step may take from other requests. */
const stepMs = 15
/** Keys that may differ from today: about 200 MB of memory. */
const entriesMax = 1_000_000
const jobsMax = 2
/** A job that nobody has asked after for so long makes room. */
const abandonedMs = 60_000

export interface ReplayBlock {
  header: BlockHeader
  payload: Payload
  result: BlockResult
  stored: StoredBlock
}

interface Job {
  id: Uint8Array
  height: number
  block: ReplayBlock
  state: RewoundState
  /** Journals of `next` and below down to `height` are still to be read. */
  next: number
  from: number
  askedAt: number
}

type Refusal = Extract<ReplayReply, { state: 'refused' }>

/** The parts of the chain store that a replay reads. */
export type ReplaySource = Pick<
  ChainStore,
  | 'applied'
  | 'blockAt'
  | 'patientBody'
  | 'attachmentByHash'
  | 'transactionLocation'
  | 'undoAt'
  | 'undoFirst'
  | 'firstPayload'
>

export class BlockReplays {
  readonly #store: ReplaySource
  readonly #state: ChainState
  readonly #cache: ModuleCache
  readonly #jobs = new Map<string, Job>()

  readonly #recoveries: RecoveryBook | undefined
  readonly #stepMs: number

  constructor(
    store: ReplaySource,
    state: ChainState,
    cache: ModuleCache,
    recoveries?: RecoveryBook,
    msMax = stepMs,
  ) {
    this.#stepMs = msMax
    this.#recoveries = recoveries
    this.#store = store
    this.#state = state
    this.#cache = cache
  }

  /** Goes on with the replay of this transaction for a moment, and ends it when it can. */
  step(id: Uint8Array): Unpinned {
    const name = bytesToHex(id)
    const begun = this.#jobs.get(name) ?? this.#begin(id, name)
    if ('code' in begun) return begun
    const started = performance.now()
    begun.askedAt = started
    while (begun.next >= begun.height) {
      if (performance.now() - started > this.#stepMs) {
        const total = begun.from - begun.height + 1
        return { state: 'working', done: begun.from - begun.next, total }
      }
      const journal = this.#store.undoAt(begun.next)
      if (journal === undefined || begun.state.entryCount > entriesMax) {
        this.#jobs.delete(name)
        return refusal('REPLAY_UNAVAILABLE', `the journal of block ${begun.next} is not kept`)
      }
      begun.state.addOlder(decodeUndo(journal))
      begun.next -= 1
    }
    this.#jobs.delete(name)
    return this.#run(begun)
  }

  #begin(asked: Uint8Array, name: string): Job | Refusal {
    this.#dropAbandoned()
    if (this.#jobs.size >= jobsMax) return refusal('REPLAY_BUSY')
    // People hold ids of records: each names the transaction that wrote it.
    const record = this.#state.recordRow(asked)
    const id = record?.transactionId ?? asked
    const place = this.#store.transactionLocation(id)
    const first = Math.max(this.#store.undoFirst(), this.#store.firstPayload())
    // A copy that came as a snapshot has the records of earlier blocks, and not their transactions.
    if (place === undefined && record === undefined) return unknown(name, this.#store.firstPayload())
    const height = place?.height ?? record?.height ?? 0
    if (height === 0) return refusal('REPLAY_UNAVAILABLE', 'the founding calls are the genesis itself')
    if (place === undefined || height < first)
      return refusal('REPLAY_UNAVAILABLE', `block ${height}; kept from block ${first} on`)
    const block = this.#read(height)
    if (block === undefined) return refusal('REPLAY_UNAVAILABLE', `block ${height}: a body was erased`)
    const from = this.#store.applied()?.height ?? height
    const state = new RewoundState(this.#state, height)
    const job = { id, height, block, state, next: from, from, askedAt: performance.now() }
    this.#jobs.set(name, job)
    return job
  }

  #dropAbandoned(): void {
    for (const [name, job] of this.#jobs) {
      if (performance.now() - job.askedAt > abandonedMs) this.#jobs.delete(name)
    }
  }

  #read(height: number): ReplayBlock | undefined {
    const stored = this.#store.blockAt(height)
    const header = stored && decodeHeader(stored.header)
    const result = stored && decodeResult(stored.result)
    const bytes =
      stored &&
      attachPayload(stored.payload, {
        body: (patient, hash) => {
          const body = this.#store.patientBody(patient, hash)
          return body.ok ? body.value : undefined
        },
        attachment: (hash) => this.#store.attachmentByHash(hash),
      })
    const payload = bytes && decodePayload(bytes)
    if (!stored || !header?.ok || !result?.ok || !payload?.ok) return undefined
    return { stored, header: header.value, result: result.value, payload: payload.value }
  }

  #run({ id, block, state }: Job): Refusal | Done {
    // Policy answers that are remembered would hide the policy's own frames from the trace.
    const cache = { ...this.#cache, policy: createModuleCache().policy }
    const { header, payload, stored } = block
    const recovery = this.#recoveries?.manifestOf(header)
    const recovered = this.#recoveries?.validatorsAbove(header.height - 1)?.members
    const input = { header, payload, ...(recovery && { recovery }) }
    const outcome = replayTransaction(input, state, id, cache, ports)
    if (!outcome.ok || outcome.replay === undefined) {
      const why = outcome.ok ? 'the block no longer makes this transaction' : outcome.code
      return refusal('REPLAY_DIFFERS', why)
    }
    const { replay } = outcome
    const row = state.get(tables.chain, onlyKey)
    const versions = row === undefined ? undefined : decodeRow<ChainRow>(chainRow, row)
    const differences = [...certificateFaults(block, state, recovered), ...differencesOf(block, replay)]
    const certified = decodedReceipts(stored)
    return {
      state: 'done',
      ...replayView({ id, block, state, today: this.#state, replay, certified, differences, versions }),
    }
  }
}

type Done = { state: 'done' } & ReturnType<typeof replayView>
/** A reply to which the caller adds the height it was given at. */
export type Unpinned = Exclude<ReplayReply, { state: 'done' }> | Done

const refusal = (code: ErrorCode, detail = ''): Refusal => ({ state: 'refused', code, detail })

const unknown = (name: string, first: number): Refusal =>
  refusal(
    'TRANSACTION_UNKNOWN',
    first <= 1
      ? name
      : `${name}; this node has whole blocks from ${first} on, another may have earlier ones`,
  )

function decodedReceipts(stored: StoredBlock): Receipt[] {
  return stored.receipts.map((bytes) => {
    const receipt = decodeReceipt(bytes)
    if (!receipt.ok) throw Object.assign(new Error('a stored receipt is none'), { code: 'STORE_DAMAGED' })
    return receipt.value
  })
}

/** Is what the store holds what a quorum signed? */
function certificateFaults(
  block: ReplayBlock,
  state: RewoundState,
  recovered: readonly Validator[] | undefined,
): string[] {
  const { stored, header, result } = block
  const certificate = decodeCertificate(stored.certificate)
  if (!certificate.ok) return ['certificate: malformed']
  const faults: string[] = []
  const isSame = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0
  if (!isSame(certificate.value.blockHash, sha256(stored.header))) faults.push('certificate: another block')
  if (!isSame(certificate.value.resultHash, resultHash(sha256, stored.result)))
    faults.push('certificate: another result')
  const { chainId, epoch } = header
  const chain = { chainId, epoch, validators: recovered ?? readValidators(state) }
  const verified = verifyCertificate(certificate.value, chain, verifySignature)
  if (!verified.ok) faults.push(`certificate: ${verified.code}`)
  if (!isSame(result.receiptsRoot, listRoot(sha256, stored.receipts)))
    faults.push('stored receipts: not those of the certified result')
  return faults
}

/** Where the run differs from what is certified; the state root is of the tree and not computed here. */
function differencesOf({ stored, result }: ReplayBlock, replay: Replay): string[] {
  const differences: string[] = []
  const certified = stored.receipts.at(replay.index)
  if (certified === undefined || Buffer.compare(certified, replay.receiptBytes) !== 0)
    differences.push(`receipt ${replay.index} of the block`)
  const expected = encodeResult({ ...result, stateRoot: replay.result.stateRoot })
  if (Buffer.compare(expected, encodeResult(replay.result)) === 0) return differences
  for (const field of ['receiptsRoot', 'nextValidatorsHash', 'fuelUsed', 'nextDueTime'] as const) {
    const [before, now] = [result[field], replay.result[field]]
    const text = (value: typeof before): string =>
      value instanceof Uint8Array ? bytesToHex(value) : String(value)
    if (text(before) !== text(now)) differences.push(`${field}: ${text(before)}, now ${text(now)}`)
  }
  return differences
}
