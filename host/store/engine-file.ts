// Looks at an LMDB file before the engine does: lmdb-js 3.5.6 ends the process (SIGSEGV) on a file that is
// not LMDB, and reading past the end of a truncated file would end it too (SIGBUS).
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { engineError } from './engine-error.js'
import { StoreError } from './store-error.js'

const pageBytes = 4_096
const magic = 0xbeefc0de
const dataVersion = 2
/** Offsets in a meta page of the LMDB that lmdb-js brings (24-byte page header). */
const offsets = { magic: 24, version: 28, pageSize: 48, lastPage: 144, transaction: 152 }

/**
 * Throws FOREIGN_FILE or STORE_DAMAGED. A file that is shorter than its newest meta page says is padded
 * with zeros: a page that was never needed may lie there in a sound file, and a needed page of zeros is an
 * error, not a crash.
 */
export function checkEngineFile(path: string): void {
  let file: number
  try {
    file = openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw engineError(error, `opening ${path}`)
  }
  try {
    const { size } = fstatSync(file)
    if (size === 0) return
    const head = Buffer.alloc(2 * pageBytes)
    readSync(file, head, 0, head.length, 0)
    const metas = [head.subarray(0, pageBytes), head.subarray(pageBytes)]
    const sound = metas.filter(isMeta)
    if (sound.length === 0) throw new StoreError('FOREIGN_FILE', `${path} is not a wardchain store`)
    if (sound.length === 1 || size < head.length) {
      throw new StoreError('STORE_DAMAGED', `${path}: a meta page is damaged`)
    }
    const newest = Math.max(...metas.map((meta) => Number(meta.readBigUInt64LE(offsets.transaction))))
    const current =
      metas.find((meta) => Number(meta.readBigUInt64LE(offsets.transaction)) === newest) ?? metas[0]
    const byteCount = (Number(current.readBigUInt64LE(offsets.lastPage)) + 1) * pageBytes
    // A flipped bit in the page number must not make us write terabytes of nothing.
    if (byteCount > 2 * size + 2 ** 30)
      throw new StoreError('STORE_DAMAGED', `${path}: a meta page is damaged`)
    if (size < byteCount) ftruncateSync(file, byteCount)
  } finally {
    closeSync(file)
  }
}

function isMeta(page: Buffer): boolean {
  const isMagic =
    page.readUInt32LE(offsets.magic) === magic && page.readUInt32LE(offsets.version) === dataVersion
  return isMagic && page.readUInt32LE(offsets.pageSize) === pageBytes
}
