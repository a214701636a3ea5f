// What this node hands to peers of older epochs: each manifest with a block that shows that its epoch began.
import {
  decodeHeader,
  encodeRecoveryNotice,
  equalBytes,
  validatorsHash,
  type RecoveryFields,
} from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import { handoverHeights } from './chain-proofs.js'
import type { KeptManifest } from './recovery-book.js'

/** Oldest first. */
export function recoveryNotices(
  store: ChainStore,
  tipHeight: number,
  kept: readonly KeptManifest[],
): Uint8Array[] {
  return kept.map(({ bytes, fields }) =>
    encodeRecoveryNotice({ manifest: bytes, ...firstBlockOf(store, tipHeight, fields) }),
  )
}

/**
 * A store that began with a snapshot has no first block of the epoch: any other that the same set signed
 * shows as much, and the last of them is where the set changed.
 */
function firstBlockOf(
  store: ChainStore,
  tipHeight: number,
  { epoch, baseHeight, validators }: RecoveryFields,
): { header: Uint8Array; certificate: Uint8Array } {
  const set = validatorsHash(sha256, validators)
  for (const height of [baseHeight + 1, ...handoverHeights(store), tipHeight]) {
    const block = height > baseHeight ? store.blockAt(height) : undefined
    const header = block && decodeHeader(block.header)
    if (!block || !header?.ok || header.value.epoch !== epoch) continue
    if (equalBytes(header.value.validatorsHash, set))
      return { header: block.header, certificate: block.certificate }
  }
  return { header: new Uint8Array(0), certificate: new Uint8Array(0) }
}
