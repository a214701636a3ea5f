// Files that survive a crash whole: temporary file, fsync, rename, fsync of the folder.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { randomBytes } from './sodium.js'
import { engineError } from './engine-error.js'

/** Replaces a file. With `overwriteOld` the old file's bytes are overwritten in place after the rename. */
export function replaceFile(
  path: string,
  bytes: Uint8Array,
  options: { overwriteOld?: boolean } = {},
): void {
  const temporary = `${path}.new`
  let old: number | undefined
  try {
    if (options.overwriteOld === true && existsSync(path)) old = openSync(path, 'r+')
    writeSynced(temporary, bytes)
    renameSync(temporary, path)
    syncFolder(dirname(path))
    if (old !== undefined) overwriteDescriptor(old)
  } catch (error) {
    removeIfAny(temporary)
    throw engineError(error, `writing ${path}`)
  } finally {
    if (old !== undefined) closeSync(old)
  }
}

/** What is in the way of an error that matters more. */
function removeIfAny(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // The next writer empties it.
  }
}

/**
 * Writes every byte, at `position` or where the file stands. A disk that is nearly full takes a part of
 * them and says so by a number only, not by an error.
 */
export function writeAll(file: number, bytes: Uint8Array, position: number | null = null): void {
  for (let done = 0; done < bytes.length;) {
    const at = position === null ? null : position + done
    const written = writeSync(file, bytes, done, bytes.length - done, at)
    if (written === 0) throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' })
    done += written
  }
}

/** Makes a file that must not be there yet. On disk with its name when this returns, or not there at all. */
export function createFile(path: string, bytes: Uint8Array): void {
  try {
    writeSynced(path, bytes, 'wx')
    syncFolder(dirname(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') removeIfAny(path)
    throw engineError(error, `writing ${path}`)
  }
}

function writeSynced(path: string, bytes: Uint8Array, flags: 'w' | 'wx' = 'w'): void {
  const file = openSync(path, flags, 0o600)
  try {
    writeAll(file, bytes)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Makes a rename or an unlink in this folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/**
 * Overwrites a file's bytes with random ones where they lie, synced. Best effort on flash and
 * copy-on-write.
 */
export function overwriteDescriptor(file: number): number {
  const byteCount = fstatSync(file).size
  const chunkBytes = 2 ** 20
  for (let offset = 0; offset < byteCount; offset += chunkBytes) {
    const length = Math.min(chunkBytes, byteCount - offset)
    writeAll(file, randomBytes(length), offset)
  }
  fsyncSync(file)
  return byteCount
}

/** Overwrites a small file where it lies, then removes it. */
export function overwriteAndUnlink(path: string): void {
  const file = openSync(path, 'r+')
  try {
    overwriteDescriptor(file)
  } finally {
    closeSync(file)
  }
  unlinkSync(path)
}

/** The whole file, or undefined when there is none. */
export function readFileIfAny(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw engineError(error, `reading ${path}`)
  }
}
