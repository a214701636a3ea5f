// Bundles that this replica has decoded and whose signature it has checked: nothing is decoded or checked
// twice.
import type { Bundle } from '../../runtime/protocol/index.js'
import { bytesToText } from '../../runtime/state/index.js'
import { sha256Text } from '../keys/crypto.js'

interface Entry {
  id: string
  byteCount: number
  bundle: Bundle
}

/** As many as the pool may hold, and a few blocks in flight. */
const entryCountMax = 24_000
/** Bytes of the bundles kept: a bundle may be large, and is kept before the pool's own bounds see it. */
export const cachedBytesMax = 96 * 1_024 * 1_024

/** SHA-256 of a bundle's bytes, as text. */
export type BundleKey = string

export const bundleKeyOf = (bytes: Uint8Array): BundleKey => sha256Text(bytes)

export class BundleCache {
  /**
   * By SHA-256 of the bundle's bytes: a checked signature says nothing about other bodies under the same
   * id.
   */
  private readonly byBytes = new Map<BundleKey, Entry>()
  private readonly keysById = new Map<string, BundleKey>()

  private byteCount = 0

  /** `byteCount`: length of the bundle's bytes. The oldest make room. */
  keep(key: BundleKey, bundle: Bundle, byteCount: number): void {
    this.drop(key)
    const id = bytesToText(bundle.signed.id)
    this.byBytes.set(key, { id, byteCount, bundle })
    this.byteCount += byteCount
    this.keysById.set(id, key)
    while (this.byBytes.size > entryCountMax || this.byteCount > cachedBytesMax) this.dropOldest()
  }

  /** The bundle with exactly these bytes, when its signature was checked here. */
  find(key: BundleKey): Bundle | undefined {
    return this.byBytes.get(key)?.bundle
  }

  forget(ids: readonly Uint8Array[]): void {
    for (const bytes of ids) {
      const id = bytesToText(bytes)
      const key = this.keysById.get(id)
      this.keysById.delete(id)
      if (key !== undefined) this.drop(key)
    }
  }

  private drop(key: BundleKey): void {
    this.byteCount -= this.byBytes.get(key)?.byteCount ?? 0
    this.byBytes.delete(key)
  }

  private dropOldest(): void {
    const oldest = this.byBytes.entries().next()
    if (oldest.done) return
    const [key, entry] = oldest.value
    this.drop(key)
    if (this.keysById.get(entry.id) === key) this.keysById.delete(entry.id)
  }
}
