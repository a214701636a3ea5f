// What this node holds back from its own proposals, and how an administrator lets it go: as the local API
// shows it. Ids, hashes and names of contracts only: no session is needed to see it.
import type { Outcome, Session } from './node-port.js'

export interface HeldTransaction {
  /** Hex SHA-256 of the bundle: what it is held back by. */
  bundle: string
  /** Hex id; '' while nobody has brought it again since this node started. */
  transaction: string
  /** It, or what followed from it, ran when the executor died. */
  ran: boolean
}

export interface HeldBlockView {
  /** ms since 1970 UTC. */
  since: number
  reason: 'EXECUTOR_DIED' | 'UNFINISHED_TWICE' | 'RESULT_SPLIT'
  /** 0: not known. */
  height: number
  /** What ran when the executor died; null when nobody knows. */
  running: { contract: string; method: string; address: string; transaction: string } | null
  transactions: HeldTransaction[]
}

/**
 * `named`: those whose transaction or bundle is among `ids`; `others`: all of the blocks where it is known
 * which one ran, but that one.
 */
export interface ReleaseRequest {
  which: 'all' | 'others' | 'named'
  ids?: string[]
  /** For the log. */
  reason: string
}

export interface Released {
  released: number
  left: number
  /** false: the disk refused the list, so that the next start holds them back again. */
  saved: boolean
}

export interface HeldPort {
  list(): Outcome<{ held: HeldBlockView[] }>
  /** ADMINISTRATOR_REQUIRED, HELD_UNKNOWN. */
  release(session: Session, request: ReleaseRequest): Promise<Outcome<Released>>
}
