// App documents that a signed-in person opened, by the hash that the chain names. A frame's navigation
// carries no bearer token, so only what was asked for through the API can be framed; a bundle holds no
// patient data.
import { createHash } from 'node:crypto'

/** A launcher shows a handful; the bound keeps a loop of version switches from growing memory. */
export const documentCountMax = 16

export interface PageCache {
  /** False when the bytes are not those that the hash names: then nothing is kept. */
  keep(hash: string, html: Uint8Array): boolean
  get(hash: string): Uint8Array | undefined
  clear(): void
}

export function createPageCache(): PageCache {
  const documents = new Map<string, Uint8Array>()
  return {
    keep(hash, html) {
      if (createHash('sha256').update(html).digest('hex') !== hash) return false
      documents.delete(hash)
      documents.set(hash, html)
      const oldest = documents.keys().next().value
      if (documents.size > documentCountMax && oldest !== undefined) documents.delete(oldest)
      return true
    },
    get: (hash) => documents.get(hash),
    clear: () => documents.clear(),
  }
}
