// When the store does its housekeeping: a slice at a time, resting four times as long as a slice took, so
// that blocks have four fifths of the executor even while years are pruned or sealed anew. What to keep is
// read from `node.json` again in every round, so that a running node follows a change; a compaction is asked
// for by an empty file in the node's folder.
import { existsSync, rmSync } from 'node:fs'
import { errorTable } from '../../runtime/protocol/index.js'
import type { StoreView } from '../api/history-port.js'
import type { CareReply } from '../executor/messages.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import { ReaderClient } from '../executor/reader-client.js'
import { isDamage, type DataKey } from '../store/index.js'
import { diskOf, type DiskView } from './disk-space.js'
import { HeapWatch } from './heap-watch.js'
import { nodeFiles, readNodeConfig, type NodeConfig } from './node-config.js'
import { NodeError } from './node-error.js'
import type { NodeLogger } from './node-logger.js'

const sliceMs = 20
const restTimes = 4
const restMsMin = 50
const idleMs = 3_000
export interface UpkeepPorts {
  folder: string
  executor: Pick<ExecutorClient, 'call'>
  logger: NodeLogger
  /** Makes every other thread let go of the store, and gives it back after `work`. */
  withoutReaders: <T>(work: () => Promise<T>) => Promise<T>
  /** Monotonic milliseconds. */
  now?: () => number
}

/** What works on the store beside blocks. Neither does anything before it is asked or started. */
export function storeThreads(
  { folder, logger, config }: Pick<UpkeepPorts, 'folder' | 'logger'> & { config: NodeConfig },
  executor: UpkeepPorts['executor'],
  dataKey: DataKey,
): { readers: ReaderClient; upkeep: StoreUpkeep } {
  const readers = new ReaderClient({
    folder: nodeFiles(folder).chain,
    dataKey: () => dataKey.toBytes(),
    ...(config.heapMiB !== undefined && { heapMiBMax: config.heapMiB / 2 }),
    onTrouble: (code, detail) => logger.error({ code, detail }, 'a reading failed; blocks go on'),
  })
  const withoutReaders: UpkeepPorts['withoutReaders'] = (work) => readers.without(work)
  return { readers, upkeep: new StoreUpkeep({ folder, logger, executor, withoutReaders }) }
}

/** The code and words of the executor's thread: its own sentence is of a thread that stopped. */
const wordsOf = (error: unknown): string[] =>
  (error instanceof NodeError ? /^([A-Z_]+): (.*)$/s.exec(error.detail) : null) ?? []

export class StoreUpkeep {
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()
  #isClosed = false
  #view: StoreView | undefined
  #failure: StoreView['failure'] = null
  #level: DiskView['level'] = 'enough'
  readonly #heap: HeapWatch

  constructor(private readonly ports: UpkeepPorts) {
    this.#heap = new HeapWatch(ports.logger, undefined, ports.now)
  }

  /** What `ward status` tells; undefined before the first round. */
  get view(): StoreView | undefined {
    return this.#view
  }

  start(): void {
    this.#next(restMsMin)
  }

  /** Ends after the slice that is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#round
  }

  #next(waitMs: number): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => {
      this.#round = this.#run().then(
        (wait) => this.#next(wait),
        // The executor has failed or is going away: both are told elsewhere.
        () => undefined,
      )
    }, waitMs)
    this.#timer.unref()
  }

  async #run(): Promise<number> {
    const { executor, now = () => performance.now() } = this.ports
    const begun = now()
    let care: CareReply
    try {
      const keepBlocks = readNodeConfig(this.ports.folder).keepBlocks ?? null
      care = await executor.call('care', { budgetMs: sliceMs, keepBlocks, compact: this.#wantsCompact() })
      if (care.compaction === 'copied' || care.compaction === 'failed') care = await this.#finish(care)
      else if (!this.#isDamaged) this.#failure = null
      if (care.damage !== null) this.#failure = care.damage
    } catch (error) {
      return this.#failed(error)
    }
    this.#tell(care)
    const isBusy = care.pruning !== null || care.resealing !== null || care.compaction === 'copying'
    return isBusy ? Math.max(restMsMin, restTimes * (now() - begun)) : idleMs
  }

  /** Stays until a compaction has read every record, or the node starts anew. */
  get #isDamaged(): boolean {
    return this.#failure !== null && isDamage(this.#failure.code)
  }

  #wantsCompact(): boolean {
    return existsSync(nodeFiles(this.ports.folder).compact)
  }

  /** The copy takes the file's place between two blocks. */
  async #finish(care: CareReply): Promise<CareReply> {
    const { executor, folder, logger, withoutReaders } = this.ports
    rmSync(nodeFiles(folder).compact, { force: true })
    const space = await withoutReaders(() => executor.call('careFinish', null))
    logger.info({ before: care.space.fileBytes, after: space.fileBytes }, 'the store was compacted')
    this.#failure = null
    return { ...care, space, compaction: 'none' }
  }

  /** A full disk, for instance: nothing was lost, and it is tried again later. Damage stays. */
  #failed(error: unknown): number {
    const detail = error instanceof Error ? error.message : String(error)
    this.ports.logger.warn({ code: 'STORE_UPKEEP', error: detail }, 'housekeeping of the store failed')
    const [, code = '', words = ''] = wordsOf(error)
    if (isDamage(code)) this.#failure = { code, detail: words }
    else this.#failure = { code: 'STORE_UPKEEP', detail: code === '' ? detail : `${code}: ${words}` }
    rmSync(nodeFiles(this.ports.folder).compact, { force: true })
    if (this.#view) this.#view = { ...this.#view, ...this.#disk(), failure: this.#failure }
    return 10 * idleMs
  }

  #tell({ space, firstPayload, pruning, resealing, compaction, heap }: CareReply): void {
    const { fileBytes, freeBytes, entryCount } = space
    const isCompacting = compaction === 'copying' || existsSync(nodeFiles(this.ports.folder).compact)
    const common = { fileBytes, freeBytes, records: entryCount, firstPayload, isCompacting }
    const own = { heap: this.#heap.look(heap), failure: this.#failure }
    this.#view = { ...common, ...this.#disk(), pruning, resealing, ...own }
  }

  /** Told once as it becomes less, and once when it is mended. */
  #disk(): Pick<StoreView, 'disk'> {
    const { folder, logger } = this.ports
    const disk = diskOf(folder)
    if (!disk) return {}
    const { level, freeBytes, totalBytes } = disk
    if (level !== this.#level) {
      const code = level === 'enough' ? 'DISK_ENOUGH' : 'DISK_LOW'
      const words = level === 'enough' ? 'the disk has room again' : errorTable.DISK_LOW.sentence
      logger[level === 'enough' ? 'info' : 'warn']({ code, level, freeBytes, totalBytes }, words)
    }
    this.#level = level
    return { disk }
  }
}
