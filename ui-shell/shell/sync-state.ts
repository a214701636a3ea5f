// How far this screen may be trusted: in touch with the node, the node in touch with the others, and how
// old the last block is. The chain makes no blocks while nothing happens, so the age is told and only lag
// and peers give the tone.
import type { SealedStatusView, StatusView } from '../channel/views.js'
import { formatDecimal } from '../values/number.js'
import { formatAge } from '../values/time.js'

export interface SyncState {
  tone: 'good' | 'fair' | 'bad'
  /** One word, beside its shape: colour alone says nothing. */
  word: string
  text: string
}

/** Blocks behind: amber from the first, red from here (proposed). */
const lagBad = 10

export function syncStateOf(
  status: (SealedStatusView & Partial<StatusView>) | undefined,
  isReachable: boolean,
  now: number,
): SyncState {
  if (!isReachable || status === undefined || status.height === undefined) {
    return {
      tone: 'bad',
      word: 'Offline',
      text: 'The node does not answer. What you see may be old; reading goes on when it is back.',
    }
  }
  const { height, blockTime = 0, peersConnected = 0, peersKnown = 0, lag = 0 } = status
  const age = blockTime === 0 ? '' : `, ${formatAge(blockTime, now)}`
  const peers = `${peersConnected} of ${peersKnown} peers`
  const text = `block ${formatDecimal(height.toString(), 0)}${age}; ${peers}`
  // With less than two thirds of the others no quorum can be seen from here.
  const isAlone = peersKnown > 0 && peersConnected * 3 < peersKnown * 2
  if (lag >= lagBad || (peersKnown > 0 && peersConnected === 0))
    return { tone: 'bad', word: 'Downtime', text }
  if (lag > 0 || isAlone) return { tone: 'fair', word: 'Behind', text }
  return { tone: 'good', word: 'In step', text }
}
