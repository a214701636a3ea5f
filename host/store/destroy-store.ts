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
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { overwriteDescriptor, syncFolder } from './durable-file.js'
import { engineError } from './engine-error.js'

export interface DestroyStep {
  step: 'keyslots' | 'keys' | 'files'
  path: string
}

export interface DestroyedFile {
  path: string
  byteCount: number
  /** The old bytes were read back and are gone. */
  overwritten: boolean
  unlinked: boolean
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
  onStep?: (step: DestroyStep) => void
}

const keyslotNames = /(^|\/)keyslots(\.new)?$/
const keyNames = /\.(key|token)$|(^|\/)identity/

/**
 * Destroys everything under the folder. The stores must be closed, their keys zeroed (not for `keysOnly`).
 *
 * Throws StoreError when a keyslot file cannot be overwritten: then the wipe is not valid and the medium must
 * be destroyed.
 */
export function destroyStore(folder: string, options: DestroyOptions = {}): DestroyReport {
  const inside = existsSync(folder) ? filesUnder(folder) : []
  const found = inside.filter((path) => !options.keep?.includes(resolve(path)))
  const keyslots = [...(options.keyslotFiles ?? []), ...found.filter((path) => keyslotNames.test(path))]
  const first = [...new Set(keyslots)].filter((path) => existsSync(path))
  const second = found.filter((path) => !first.includes(path) && keyNames.test(path))
  const rest = found.filter((path) => !first.includes(path) && !second.includes(path))
  const files: DestroyedFile[] = []
  const destroy = (step: DestroyStep['step'], path: string): void => {
    options.onStep?.({ step, path })
    files.push(destroyFile(path))
  }
  for (const path of first) destroy('keyslots', path)
  const keysDestroyed = files.every((file) => file.overwritten && file.unlinked)
  for (const path of second) destroy('keys', path)
  if (options.keysOnly !== true) for (const path of rest) destroy('files', path)
  return { keysDestroyed, files }
}

/** Overwrite in place, fsync, read back, truncate, unlink, fsync the folder. */
function destroyFile(path: string): DestroyedFile {
  try {
    const file = openSync(path, 'r+')
    let byteCount: number
    let overwritten: boolean
    try {
      const before = sampleOf(file)
      byteCount = overwriteDescriptor(file)
      overwritten = byteCount === 0 || !sampleOf(file).equals(before)
    } finally {
      closeSync(file)
    }
    truncateSync(path)
    unlinkSync(path)
    syncFolder(join(path, '..'))
    return { path, byteCount, overwritten, unlinked: !existsSync(path) }
  } catch (error) {
    throw engineError(error, `destroying ${path}`)
  }
}

/** First, middle and last 4 KiB. */
function sampleOf(file: number): Buffer {
  const { size } = fstatSync(file)
  const parts = [0, Math.max(0, Math.floor(size / 2) - 2_048), Math.max(0, size - 4_096)].map((offset) => {
    const part = Buffer.alloc(Math.min(4_096, size - offset))
    readSync(file, part, 0, part.length, offset)
    return part
  })
  return Buffer.concat(parts)
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort()
}
