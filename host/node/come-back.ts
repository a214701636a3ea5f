// A sealed node that comes back by itself: tries what opens it unattended until something has opened it.
import type { DataKey } from '../store/index.js'
import type { UnattendedKeys } from './unattended.js'

/** Between two tries: the first and the longest. */
const waitMsMin = 1_000
const waitMsMax = 5_000

export interface ComeBackPorts {
  isOpen(): boolean
  /** Opens the node with this key, which is closed when that fails; never throws. */
  start(key: DataKey): Promise<unknown>
}

export class ComeBack {
  private waiting: AbortController | undefined

  constructor(
    private readonly keys: UnattendedKeys,
    private readonly ports: ComeBackPorts,
  ) {}

  /** Resolves when the node is open, or `stop` was called. Nothing to wait for: at once. */
  async run(): Promise<void> {
    if (this.waiting || !this.keys.isPossible) return
    this.waiting = new AbortController()
    const { signal } = this.waiting
    const isOver = (): boolean => signal.aborted || this.ports.isOpen()
    for (let waitMs = waitMsMin; !isOver(); waitMs = Math.min(waitMsMax, 2 * waitMs)) {
      const key = await this.keys.open()
      if (key && isOver()) key.close()
      else if (key) await this.ports.start(key)
      if (!isOver()) await pause(waitMs, signal)
    }
    this.waiting = undefined
  }

  stop(): void {
    this.waiting?.abort()
  }
}

/** Ends early when the signal says so. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
