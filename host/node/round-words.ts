// Why nothing moves, in a sentence for the person who looks at `ward status` at night.
import type { RoundReason } from '../../consensus/net/round-reason.js'

export interface RoundContext {
  leader: string
  /** Milliseconds since the leader was heard; -1: never. */
  leaderSilentMs: number
  missing: readonly string[]
  /** Names of validators without a connection to this node. */
  away: readonly string[]
  lag: number
  halted: string
}

/** One sentence; the code beside it is API, the words are not. */
export function roundSentence(reason: RoundReason, context: RoundContext): string {
  const { have, need } = reason
  const missing = listOf(context.missing)
  switch (reason.code) {
    case 'IDLE':
      return 'nothing to agree on'
    case 'STARTING':
      return 'this node is starting'
    case 'HALTED':
      return `this node has stopped voting (${context.halted}); its data is kept. See docs/alerts.md`
    case 'NO_QUORUM':
      return `${have} of ${need} validators needed are connected; away: ${listOf(context.away)}`
    case 'SYNCING':
      return `${context.lag} blocks behind, fetching them`
    case 'STORING':
      return 'the block is final and is being written'
    case 'VIEW_CHANGE':
      return `the leader is being replaced: ${have} of ${need} agree; not yet: ${missing}`
    case 'WAITS_FOR_LEADER':
      return `transactions wait for a block of ${context.leader}, ${heard(context.leaderSilentMs)}`
    case 'EXECUTING':
      return 'this node is executing the block'
    case 'BLOCK_REFUSED':
      return `this node found the block of ${context.leader} invalid and does not vote for it`
    case 'RESULT_SPLIT':
      return `validators computed different results: ${reason.results
        .map(({ result, votes }) => `${votes} x ${result.slice(0, 8)}`)
        .join(', ')}; ${need} equal ones are needed`
    case 'WAITS_FOR_PREPARES':
      return `${have} of ${need} prepare votes; missing: ${missing}`
    case 'WAITS_FOR_COMMITS':
      return `${have} of ${need} commit votes; missing: ${missing}`
  }
}

const listOf = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '))

function heard(silentMs: number): string {
  if (silentMs === 0) return 'which is this node'
  return silentMs < 0 ? 'which was never heard' : `heard ${silentMs} ms ago`
}
