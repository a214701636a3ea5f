// L8: with more than f validators away nothing becomes final, and this node says so.
import type { NodeLogger } from './node-logger.js'

const patienceMs = 4_000

export class QuorumWatch {
  isLost = false
  private missingSince: number | undefined

  constructor(
    private readonly logger: Pick<NodeLogger, 'error'>,
    private readonly now: () => number,
  ) {}

  /** ms since too few were first missed; 0 while enough are there. */
  get sinceMs(): number {
    return this.missingSince === undefined ? 0 : this.now() - this.missingSince
  }

  look(hasQuorum: boolean): void {
    if (hasQuorum) {
      this.missingSince = undefined
      this.isLost = false
      return
    }
    this.missingSince ??= this.now()
    if (this.isLost || this.now() - this.missingSince < patienceMs) return
    this.isLost = true
    this.logger.error({ code: 'QUORUM_LOST' }, 'too few validators are reachable: nothing becomes final')
  }
}
