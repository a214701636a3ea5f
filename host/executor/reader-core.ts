// What runs inside the reader thread: questions about records, receipts and the past, each answered from one
// height, beside the executor and never in front of a block. What it reads is written once and never changed
// (record rows, bodies, index rows, receipts): its seal tells that it is whole, and its neighbours in the
// store tell that nothing is left out of an answer (host/store/complete-range.ts). What a root must vouch
// for, because it changes (grants, versions, keys), is asked of the executor while it lives.
import { createModuleCache, type ParentState } from '../../runtime/execution/index.js'
import { bytesToHex, decodeHeader, decodeResult } from '../../runtime/protocol/index.js'
import { ChainReader, type PinnedChain } from '../store/index.js'
import { BlockReplays } from './block-replay.js'
import { ChainQueries } from './chain-queries.js'
import { ChainState } from './chain-state.js'
import type { ExecutorCalls, Pin, ReplayReply } from './messages.js'
import { RecoveryBook } from './recovery-book.js'

/** What a reader answers, as the executor would. */
export type ReaderMethod = 'records' | 'page' | 'record' | 'receipt' | 'replay' | StateQuestion
/** Answered here only when the executor's thread has died: see `state-questions.ts`. */
type StateQuestion = 'view' | 'pin' | 'keyState'
export type ReaderCalls = Pick<ExecutorCalls, Exclude<ReaderMethod, 'replay'>> & {
  replay: [{ id: Uint8Array }, ReplayReply]
}

/** A pinned state keeps the engine from filling free pages: nobody's may live longer. */
const replayMsMax = 60_000
const replayCountMax = 2

interface ReplayJob {
  chain: PinnedChain
  replays: BlockReplays
  /** Ends it, whether or not anybody asks after it again. */
  timer: NodeJS.Timeout
}

/** Other figures in tests that let them run out. */
interface ReaderLimits {
  replayMsMax?: number
  /** See `BlockReplays`. */
  stepMs?: number
}

export class ReaderCore {
  readonly #cache = createModuleCache()
  readonly #jobs = new Map<string, ReplayJob>()
  readonly #limits: ReaderLimits
  #reader: ChainReader | undefined

  constructor(limits: ReaderLimits = {}) {
    this.#limits = limits
  }

  /** Heights that replays keep pinned. */
  get pinnedCount(): number {
    return this.#jobs.size
  }

  open(folder: string, dataKey: Uint8Array): void {
    this.#reader = new ChainReader(folder, dataKey)
  }

  handle<M extends ReaderMethod>(method: M, argument: ReaderCalls[M][0]): unknown {
    if (method === 'replay') return this.#replay((argument as ReaderCalls['replay'][0]).id)
    try {
      return this.#answer(method, argument)
    } catch {
      // The key file may have been replaced by an erasure just now; what fails twice is damage.
      return this.#answer(method, argument)
    }
  }

  #answer(method: Exclude<ReaderMethod, 'replay'>, argument: unknown): unknown {
    const chain = this.#pin()
    try {
      const queries = new ChainQueries(chain, stateOf(chain), this.#cache, () => pinOf(chain))
      switch (method) {
        case 'records':
          return queries.records(argument as ReaderCalls['records'][0])
        case 'page':
          return queries.page(argument as ReaderCalls['page'][0])
        case 'record':
          return queries.record((argument as ReaderCalls['record'][0]).id)
        case 'receipt':
          return queries.receipt((argument as ReaderCalls['receipt'][0]).id)
        case 'view':
          return queries.view(argument as ReaderCalls['view'][0])
        case 'pin':
          return queries.pin()
        case 'keyState':
          return queries.keyState((argument as ReaderCalls['keyState'][0]).keyId)
      }
    } finally {
      chain.done()
    }
  }

  /** A replay keeps its height over all of its steps. */
  #replay(id: Uint8Array): ReaderCalls['replay'][1] {
    const name = bytesToHex(id)
    const job = this.#jobs.get(name) ?? this.#begin(name)
    if (job === undefined) return { state: 'refused', code: 'REPLAY_BUSY', detail: '' }
    let isWorking = false
    try {
      const reply = job.replays.step(id)
      isWorking = reply.state === 'working'
      return reply.state === 'done' ? { ...reply, pin: pinOf(job.chain) } : reply
    } finally {
      if (!isWorking) this.#end(name)
    }
  }

  #begin(name: string): ReplayJob | undefined {
    if (this.#jobs.size >= replayCountMax) return undefined
    const chain = this.#pin()
    const notes = { note: (name: string) => chain.note(name), putNote: noWrite }
    const { stepMs, replayMsMax: msMax = replayMsMax } = this.#limits
    const replays = new BlockReplays(chain, stateOf(chain), this.#cache, new RecoveryBook(notes), stepMs)
    const timer = setTimeout(() => this.#end(name), msMax)
    timer.unref()
    const job = { chain, replays, timer }
    this.#jobs.set(name, job)
    return job
  }

  #end(name: string): void {
    const job = this.#jobs.get(name)
    if (job === undefined) return
    clearTimeout(job.timer)
    job.chain.done()
    this.#jobs.delete(name)
  }

  #endAll(): void {
    for (const name of [...this.#jobs.keys()]) this.#end(name)
  }

  /** Bodies were erased: no answer is from a height that knew them any more, and no key of theirs stays. */
  forget(): void {
    this.#endAll()
    this.#reader?.forgetKeys()
  }

  #pin(): PinnedChain {
    if (this.#reader === undefined) throw new Error('the reader has no store')
    return this.#reader.pin()
  }

  async close(): Promise<void> {
    this.#endAll()
    const reader = this.#reader
    this.#reader = undefined
    await reader?.close()
  }
}

const noWrite = (): never => {
  throw new Error('a reader writes nothing')
}

const noTree = (): never => {
  throw new Error('a reader has no tree')
}

/**
 * Reading needs no tree; a replay computes no root. A sub-root names the version that answers of the policy
 * belong to: a replay remembers them for itself alone, so any name does.
 */
const stateOf = (chain: PinnedChain): ChainState & ParentState =>
  new ChainState(chain, { subRoot: () => new Uint8Array(0), update: noTree })

function pinOf(chain: PinnedChain): Pin {
  const applied = chain.applied()
  const block = applied && chain.blockAt(applied.height)
  const result = block && decodeResult(block.result)
  if (!applied || !block || !result?.ok)
    throw Object.assign(new Error('the newest block is not whole'), { code: 'STORE_DAMAGED' })
  const header = applied.height === 0 ? undefined : decodeHeader(block.header)
  const blockTime = header?.ok ? header.value.time : 0
  return { height: applied.height, blockTime, stateRoot: result.value.stateRoot }
}
