// Looks at an LMDB file before the engine does: lmdb-js 3.5.6 ends the process (SIGSEGV) on a file that is
// not LMDB, and reading past the end of a truncated file would end it too (SIGBUS).
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { engineError } from './engine-error.js'
import { StoreError } from './store-error.js'

export const pageBytes = 4_096
const magic = 0xbeefc0de
const dataVersion = 2
/** Offsets in a meta page of the LMDB that lmdb-js brings (24-byte page header). */
const offsets = {
  magic: 24,
  version: 28,
  pageSize: 48,
  freeRoot: 88,
  mainRoot: 136,
  lastPage: 144,
  transaction: 152,
}
const noPage = 2n ** 64n - 1n

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
    const byteCount = (Number(newestOf(metas).readBigUInt64LE(offsets.lastPage)) + 1) * pageBytes
    // A flipped bit in the page number must not make us write terabytes of nothing.
    if (byteCount > 2 * size + 2 ** 30)
      throw new StoreError('STORE_DAMAGED', `${path}: a meta page is damaged`)
    if (size < byteCount) ftruncateSync(file, byteCount)
  } finally {
    closeSync(file)
  }
}

const transactionOf = (meta: Buffer): bigint => meta.readBigUInt64LE(offsets.transaction)

const newestOf = ([first, second]: readonly Buffer[]): Buffer =>
  transactionOf(second) > transactionOf(first) ? second : first

export interface EngineRoots {
  lastPage: number
  /** Undefined: an empty tree. */
  roots: { root: number | undefined; isFreeList: boolean }[]
  /** Keys in the tree of records. */
  entryCount: number
}

/** What the newest meta page says, of a file that `checkEngineFile` has passed. */
export function newestMeta(file: number, path: string): EngineRoots {
  const head = Buffer.alloc(2 * pageBytes)
  readSync(file, head, 0, head.length, 0)
  const metas = [head.subarray(0, pageBytes), head.subarray(pageBytes)]
  if (!metas.every(isMeta)) throw new StoreError('STORE_DAMAGED', `${path}: a meta page is damaged`)
  const meta = newestOf(metas)
  const rootAt = (offset: number): number | undefined => {
    const root = meta.readBigUInt64LE(offset)
    return root === noPage ? undefined : Number(root)
  }
  return {
    lastPage: Number(meta.readBigUInt64LE(offsets.lastPage)),
    roots: [
      { root: rootAt(offsets.freeRoot), isFreeList: true },
      { root: rootAt(offsets.mainRoot), isFreeList: false },
    ],
    // The engine's own number of them stands before the root.
    entryCount: Number(meta.readBigUInt64LE(offsets.mainRoot - 8)),
  }
}

function isMeta(page: Buffer): boolean {
  const isMagic =
    page.readUInt32LE(offsets.magic) === magic && page.readUInt32LE(offsets.version) === dataVersion
  return isMagic && page.readUInt32LE(offsets.pageSize) === pageBytes
}
