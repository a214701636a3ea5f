// Bundles that this replica has decoded and whose signature it has checked: nothing is decoded or checked
// twice.
import type { Bundle } from '../../runtime/protocol/index.js'
import { bytesToText } from '../../runtime/state/index.js'
import { sha256Text } from '../keys/crypto.js'

interface Entry {
  id: string
  bundle: Bundle
}

/** As many as the pool may hold, and a few blocks in flight. */
const entryCountMax = 24_000

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

  keep(key: BundleKey, bundle: Bundle): void {
    const id = bytesToText(bundle.signed.id)
    this.byBytes.set(key, { id, bundle })
    this.keysById.set(id, key)
    if (this.byBytes.size > entryCountMax) this.dropOldest()
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
      if (key !== undefined) this.byBytes.delete(key)
    }
  }

  private dropOldest(): void {
    const oldest = this.byBytes.entries().next()
    if (oldest.done) return
    const [key, entry] = oldest.value
    this.byBytes.delete(key)
    if (this.keysById.get(entry.id) === key) this.keysById.delete(entry.id)
  }
}
