// One place that turns what the engine and the operating system say into a code.
import { constants, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { StoreError, type StoreCode } from './store-error.js'

/**
 * LMDB's own words and numbers, and errno names; lmdb-js gives a message and sometimes a number as `code`.
 */
const patterns: readonly [RegExp, StoreCode][] = [
  [/ENOSPC|No space left|Disk quota|MDB_MAP_FULL|EDQUOT/i, 'STORE_FULL'],
  [/EROFS|EACCES|EPERM|Read-only|Permission denied/i, 'STORE_READ_ONLY'],
  [/MDB_INVALID|not an LMDB file|MDB_VERSION_MISMATCH/i, 'FOREIGN_FILE'],
  [/MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_PANIC|MDB_CURSOR_FULL|MDB_BAD_TXN/i, 'STORE_DAMAGED'],
  [/closed/i, 'STORE_CLOSED'],
]

/**
 * LMDB reports a short write as "Input/output error"; with less free than this it was the disk that is
 * full.
 */
const freeBytesMin = 16 * 2 ** 20

/**
 * As `engineError`, for a failed write: looks at the free space when the engine's own words do not say
 * why.
 */
export function writeError(error: unknown, path: string): StoreError {
  const known = engineError(error, `writing ${path}`)
  if (known.code !== 'STORE_WRITE_FAILED' || freeBytesAt(path) >= freeBytesMin) return known
  return new StoreError('STORE_FULL', `writing ${path}: the disk is full`, error)
}

function freeBytesAt(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(dirname(path))
    return bavail * bsize
  } catch {
    return Infinity
  }
}

/** Keeps a StoreError as it is. `doing` says what was tried, without any content. */
export function engineError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error
  const shown =
    error instanceof Error
      ? `${(error as NodeJS.ErrnoException).code ?? ''} ${error.message}`
      : String(error)
  const code = patterns.find(([pattern]) => pattern.test(shown))?.[1] ?? 'STORE_WRITE_FAILED'
  return new StoreError(code, `${doing}: ${code}`, error)
}

/** A file beside the store, emptied or kept; a disk that refuses it says so with the store's own codes. */
export function openForWriting(path: string, keeps = false): number {
  const { O_CREAT, O_RDWR } = constants
  try {
    return openSync(path, keeps ? O_CREAT | O_RDWR : 'w', 0o600)
  } catch (error) {
    throw engineError(error, `opening ${path}`)
  }
}
