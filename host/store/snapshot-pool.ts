// Pinned reads: each holds an LMDB read transaction, which stops the engine from reusing pages. So they
// are few, they age out, and the client asks again at a newer height.
import { ChainReads } from './chain-reads.js'
import type { PatientKeys } from './patient-keys.js'
import type { ReadTransaction, SealedEnvironment } from './sealed-environment.js'
import { StoreError } from './store-error.js'
import type { ChainSnapshot } from './store-types.js'

export interface SnapshotOptions {
  ageMsMax?: number
  countMax?: number
  /** Monotonic milliseconds. */
  now?: () => number
}

export const snapshotAgeMsMax = 10_000
export const snapshotCountMax = 64

export class SnapshotPool {
  readonly #environment: SealedEnvironment
  readonly #patientKeys: () => PatientKeys
  readonly #ageMsMax: number
  readonly #countMax: number
  readonly #now: () => number
  readonly #open = new Set<PinnedSnapshot>()

  constructor(environment: SealedEnvironment, patientKeys: () => PatientKeys, options: SnapshotOptions) {
    this.#environment = environment
    this.#patientKeys = patientKeys
    this.#ageMsMax = options.ageMsMax ?? snapshotAgeMsMax
    this.#countMax = options.countMax ?? snapshotCountMax
    this.#now = options.now ?? (() => performance.now())
  }

  get count(): number {
    return this.#open.size
  }

  take(): ChainSnapshot {
    if (this.#open.size >= this.#countMax) {
      throw new StoreError('SNAPSHOT_LIMIT', `${this.#countMax} snapshots are open`)
    }
    const snapshot = new PinnedSnapshot(this.#environment, this.#patientKeys, {
      expiresAt: this.#now() + this.#ageMsMax,
      now: this.#now,
      ended: (ended) => void this.#open.delete(ended),
    })
    this.#open.add(snapshot)
    // The pin must go even if nobody reads again; the timer does not keep the process alive.
    const timer = setTimeout(() => snapshot.expire(), this.#ageMsMax)
    timer.unref()
    snapshot.timer = timer
    return snapshot
  }

  /** Ends all at once: an erasure must not leave older reads that still know what was erased. */
  expireAll(): void {
    for (const snapshot of [...this.#open]) snapshot.expire()
  }

  close(): void {
    for (const snapshot of [...this.#open]) snapshot.close()
  }
}

class PinnedSnapshot extends ChainReads implements ChainSnapshot {
  readonly height: number
  timer: NodeJS.Timeout | undefined
  readonly #pin: Pin

  constructor(
    environment: SealedEnvironment,
    patientKeys: () => PatientKeys,
    options: { expiresAt: number; now: () => number; ended: (snapshot: PinnedSnapshot) => void },
  ) {
    const transaction = environment.beginRead()
    const pin: Pin = { transaction, state: 'open' }
    super(environment, patientKeys, transaction, () => {
      if (pin.state === 'open' && options.now() >= options.expiresAt) this.expire()
      if (pin.state === 'open') return
      const why = pin.state === 'expired' ? 'is too old' : 'was closed'
      throw new StoreError('SNAPSHOT_EXPIRED', `the snapshot ${why}: read again at a newer height`)
    })
    this.#pin = pin
    this.#ended = () => options.ended(this)
    // The first read pins, so the height is read at once.
    this.height = this.applied()?.height ?? -1
  }

  readonly #ended: () => void

  expire(): void {
    this.#end('expired')
  }

  close(): void {
    this.#end('closed')
  }

  #end(state: 'expired' | 'closed'): void {
    if (this.#pin.state !== 'open') return
    this.#pin.state = state
    clearTimeout(this.timer)
    this.#pin.transaction.done()
    this.#ended()
  }
}

interface Pin {
  transaction: ReadTransaction
  state: 'open' | 'expired' | 'closed'
}
