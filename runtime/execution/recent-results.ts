// Results of the last blocks, as the certified headers name them: what a node that wants to vote says that it
// computed is compared with what the quorum computed.
import { concatBytes, u32Bytes } from '../protocol/bytes.js'
import type { BlockHeader } from '../protocol/block.js'
import type { Schema } from '../protocol/borsh.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { decodeRow, encodeRow, store } from './kernel-tables.js'

/** So many are kept, each in the place of the one so many blocks before. */
export const recentResultsMax = 64

const tag = new Uint8Array([4])

/** `$chain` at 4 and the height modulo `recentResultsMax` as u32 BE. */
const keyOf = (height: number): Uint8Array => concatBytes(tag, u32Bytes(height % recentResultsMax))

const row: Schema = {
  struct: [
    ['height', 'u64'],
    ['resultHash', { fixed: 32 }],
  ],
}

/** The parent's result; the header's own is not known before its votes. */
export function noteParentResult(overlay: Overlay, { height, parentResultHash }: BlockHeader): void {
  const value = { height: BigInt(height - 1), resultHash: parentResultHash }
  overlay.set(store.chain, keyOf(height - 1), encodeRow(row, value))
}

/** Undefined for a height that is not among the last ones. */
export function recentResult(state: StateReader, height: number): Uint8Array | undefined {
  const bytes = state.get(store.chain, keyOf(height))
  if (bytes === undefined) return undefined
  const kept = decodeRow<{ height: bigint; resultHash: Uint8Array }>(row, bytes)
  return kept.height === BigInt(height) ? kept.resultHash : undefined
}
