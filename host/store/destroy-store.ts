// The wipe's work on files: destroy the keys first, then overwrite the rest. Interrupted at any moment,
// what is left does not open: the keyslots are the first to go, and they go in place. Run again, it goes
// on where it was.
//
// The guarantee is cryptographic erase (NIST SP 800-88 Rev 2): overwriting is best effort on flash and on
// copy-on-write file systems. Copies of the keyslot file elsewhere are not seen from here: the caller asks
// for them.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  truncateSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { syncFolder, writeAll } from './durable-file.js'
import { engineError } from './engine-error.js'
import { randomBytes } from './sodium.js'

export interface DestroyStep {
  step: 'keyslots' | 'keys' | 'files'
  path: string
}

export interface DestroyedFile extends DestroyStep {
  byteCount: number
  /** The old bytes were read back and are gone. */
  overwritten: boolean
  unlinked: boolean
  /** What was tried and a code of this room, when it could not be carried out: the file stays. */
  failure?: string
}

export interface DestroyReport {
  /** True when every keyslot file was overwritten, read back and unlinked: the data is erased. */
  keysDestroyed: boolean
  files: DestroyedFile[]
}

export interface DestroyOptions {
  /** Files to destroy before all others, in this order. */
  keyslotFiles?: readonly string[]
  /** Absolute paths of files under the folder that stay. */
  keep?: readonly string[]
  /** Stop when the keys are gone: the stores may be open still, and go on with the keys in memory. */
  keysOnly?: boolean
  /** Called before each file; what it throws ends the work. */
  onStep?: (step: DestroyStep) => void
  /** Bytes of this file that are overwritten, then read back: half of the whole each. */
  onBytes?: (path: string, done: number, total: number) => void
}

const keyslotNames = /(^|\/)keyslots(\.new)?$/
const keyNames = /\.(key|token)$|(^|\/)identity/

/**
 * Destroys everything under the folder. The stores must be closed, their keys zeroed (not for `keysOnly`).
 *
 * No file keeps the others from their end: what cannot be overwritten is reported. It is tried once more
 * when all others are gone, for on a full disk overwriting a hole or a shared extent needs the room that
 * they free. While a keyslot file is reported as not overwritten, the wipe is not valid.
 */
export function destroyStore(folder: string, options: DestroyOptions = {}): DestroyReport {
  const inside = existsSync(folder) ? filesUnder(folder) : []
  const found = inside.filter((path) => !options.keep?.includes(resolve(path)))
  const keyslots = [...(options.keyslotFiles ?? []), ...found.filter((path) => keyslotNames.test(path))]
  const first = [...new Set(keyslots)].filter((path) => existsSync(path))
  const second = found.filter((path) => !first.includes(path) && keyNames.test(path))
  const rest = found.filter((path) => !first.includes(path) && !second.includes(path))
  const steps = [
    ...first.map((path) => ({ step: 'keyslots', path }) as const),
    ...second.map((path) => ({ step: 'keys', path }) as const),
    ...(options.keysOnly === true ? [] : rest.map((path) => ({ step: 'files', path }) as const)),
  ]
  const results = new Map<DestroyStep, DestroyedFile>()
  const destroy = (step: DestroyStep): void => {
    options.onStep?.(step)
    results.set(step, destroyFile(step, options))
  }
  for (const step of steps) destroy(step)
  for (const step of steps.filter((tried) => results.get(tried)?.failure !== undefined)) destroy(step)
  const files = [...results.values()]
  const keysDestroyed = files.slice(0, first.length).every((file) => file.overwritten && file.unlinked)
  return { keysDestroyed, files }
}

/** Overwrite in place, fsync, read back, truncate, unlink, fsync the folder. Never throws. */
function destroyFile(step: DestroyStep, { onBytes }: DestroyOptions): DestroyedFile {
  const { path } = step
  const result: DestroyedFile = { ...step, byteCount: 0, overwritten: false, unlinked: false }
  try {
    result.byteCount = overwrite(path, onBytes)
    result.overwritten = true
    truncateSync(path)
    unlinkSync(path)
    syncFolder(dirname(path))
    result.unlinked = !existsSync(path)
  } catch (error) {
    result.failure = engineError(error, `destroying ${path}`).message
  }
  return result
}

const chunkBytes = 2 ** 20

/**
 * The byte count. Throws the system's own error, or one when a byte does not read back as written: the file
 * stays then, so that it can be tried again.
 */
function overwrite(path: string, onBytes: DestroyOptions['onBytes']): number {
  const file = openSync(path, 'r+')
  try {
    const { size } = fstatSync(file)
    // One random chunk, written again and again, is enough: it matters that the old bytes are gone.
    const chunk = Buffer.from(randomBytes(Math.min(size, chunkBytes)))
    for (let at = 0; at < size; at += chunkBytes) {
      writeAll(file, chunk.subarray(0, size - at), at)
      onBytes?.(path, Math.floor(Math.min(size, at + chunkBytes) / 2), size)
    }
    fsyncSync(file)
    const back = Buffer.alloc(chunk.length)
    for (let at = 0; at < size; at += chunkBytes) {
      const length = Math.min(chunkBytes, size - at)
      const count = readSync(file, back, 0, length, at)
      if (count !== length || !back.subarray(0, length).equals(chunk.subarray(0, length))) {
        throw new Error('it does not read back as overwritten')
      }
      onBytes?.(path, Math.floor(size / 2) + Math.ceil((at + length) / 2), size)
    }
    return size
  } finally {
    closeSync(file)
  }
}

/** Links are not followed. A folder that cannot be read does not keep the others from their end. */
function filesUnder(folder: string): string[] {
  return namesIn(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => {
      const status = lstatSync(path)
      return status.isDirectory() ? filesUnder(path) : status.isFile() ? [path] : []
    })
    .sort()
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
