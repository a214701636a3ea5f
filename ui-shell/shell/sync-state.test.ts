// The sync state's words: never "in step" when it is not.
import t from 'tap'
import type { StatusView } from '../channel/views.js'
import { syncStateOf } from './sync-state.js'

const now = 1_700_000_000_000
const status = (part: Partial<StatusView>): StatusView =>
  ({
    sealed: false,
    height: 18_221,
    blockTime: now - 5_000,
    peersConnected: 12,
    peersKnown: 12,
    lag: 0,
    ...part,
  }) as StatusView

t.test('tone and words', async (t) => {
  t.match(syncStateOf(status({}), true, now), {
    tone: 'good',
    text: 'block 18,221, 5 s ago; 12 of 12 peers',
  })
  t.match(syncStateOf(status({ peersConnected: 8 }), true, now), { tone: 'good' })
  t.match(syncStateOf(status({ peersConnected: 7 }), true, now), { tone: 'fair', word: 'Behind' })
  t.match(syncStateOf(status({ lag: 1 }), true, now), { tone: 'fair' })
  t.match(syncStateOf(status({ lag: 9 }), true, now), { tone: 'fair' })
  t.match(syncStateOf(status({ lag: 10 }), true, now), { tone: 'bad', word: 'Downtime' })
  t.match(syncStateOf(status({ peersConnected: 0 }), true, now), { tone: 'bad' })
  t.match(syncStateOf(status({}), false, now), { tone: 'bad', word: 'Offline' })
  t.match(syncStateOf(undefined, true, now), { tone: 'bad', word: 'Offline' })
})
