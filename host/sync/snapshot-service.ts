// The main thread's side of handing out snapshots: passes requests on and gives the executor short slices of
// time to prepare, so that no block ever waits for longer than one slice.
import type { ExecutorClient } from '../executor/executor-client.js'

const sliceMs = 5
/** Between two slices: what waits for the executor goes first. */
const betweenMs = 5

export class SnapshotService {
  private stepping = false
  private isPinned = false

  constructor(private readonly executor: Pick<ExecutorClient, 'call'>) {}

  /** `peer` asks: what its requests may cost is bounded by peer. */
  async answer(request: Uint8Array, peer: string): Promise<Uint8Array> {
    const answer = await this.executor.call('snapshot', { request, peer })
    this.isPinned = true
    void this.prepare()
    return answer
  }

  private async prepare(): Promise<void> {
    if (this.stepping) return
    this.stepping = true
    try {
      while (await this.executor.call('snapshotStep', { budgetMs: sliceMs }))
        await new Promise((resolve) => setTimeout(resolve, betweenMs))
    } catch {
      // The executor has failed or is going away: both are told elsewhere.
    } finally {
      this.stepping = false
    }
  }

  /** Lets go of a state that nobody asks for any more. */
  upkeep(): void {
    if (this.isPinned && !this.stepping) void this.prepare()
  }
}
