// Dealing key shares, from the password to the keyslot: nothing of it opens anything before it is whole.
import { ok, refused } from '../../runtime/protocol/index.js'
import type { Outcome, ShareDealView } from '../api/node-port.js'
import { openKeyslot, putUnattendedSlot, StoreError } from '../store/index.js'
import type { nodeFiles } from './node-config.js'
import { readPeerUnlock, writePeerUnlock } from './peer-unlock-file.js'
import type { ShareService } from './share-service.js'

/**
 * Order: the password is checked; the peers have their shares on disk; the file names this deal and the one
 * before; the keyslot is written. Cut off anywhere, one of the two deals opens: peers keep the newest two.
 */
export async function dealShares(
  files: ReturnType<typeof nodeFiles>,
  shares: ShareService,
  password: Uint8Array,
  secondSecret: Uint8Array | undefined,
): Promise<Outcome<ShareDealView>> {
  try {
    const opened = await openKeyslot(files.keyslots, password, { secondSecret })
    opened.close()
  } catch (error) {
    if (error instanceof StoreError && error.code === 'KEYSLOT_REJECTED') return refused('KEYSLOT_REJECTED')
    throw error
  }
  const before = readPeerUnlock(files.peerUnlock)
  const generation = (before[0]?.generation ?? 0) + 1
  const dealt = await shares.deal(generation)
  if (!dealt) return refused('PEERS_TOO_FEW')
  const { secret, unlock } = dealt
  try {
    writePeerUnlock(files.peerUnlock, [unlock, ...before])
    await putUnattendedSlot(files.keyslots, password, 'peers', secret, { secondSecret })
    writePeerUnlock(files.peerUnlock, [unlock])
  } finally {
    secret.fill(0)
    unlock.seed.fill(0)
  }
  const { threshold, peers } = unlock
  return ok({ generation, threshold, peers: peers.map(({ name }) => name) })
}
