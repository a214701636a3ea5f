// Bundles that this replica has decoded and whose signature it has checked: nothing is decoded or checked
// twice.
import { bytesToHex, type Bundle } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'

interface Entry {
  id: string
  bundle: Bundle
}

/** As many as the pool may hold, and a few blocks in flight. */
const entryCountMax = 24_000

export class BundleCache {
  /**
   * By SHA-256 of the bundle's bytes: a checked signature says nothing about other bodies under the same
   * id.
   */
  private readonly byBytes = new Map<string, Entry>()
  private readonly keysById = new Map<string, string>()

  keep(bytes: Uint8Array, bundle: Bundle): void {
    const key = bytesToHex(sha256(bytes))
    const id = bytesToHex(bundle.signed.id)
    this.byBytes.set(key, { id, bundle })
    this.keysById.set(id, key)
    if (this.byBytes.size > entryCountMax) this.dropOldest()
  }

  /** The bundle with exactly these bytes, when its signature was checked here. */
  find(bytes: Uint8Array): Bundle | undefined {
    return this.byBytes.get(bytesToHex(sha256(bytes)))?.bundle
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) {
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
