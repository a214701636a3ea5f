// Small files of the node beside the environments (identity, settings, patient wrapping key): sealed like
// records.
//
//   file   magic "WARDFILE" | version u8 = 1 | storeId 16 | sealed record (stored key = the file's base
// name)
import { closeSync, existsSync, openSync, readSync, renameSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { storeIdBytes, type DataKey } from './data-key.js'
import { readFileIfAny, replaceFile, syncFolder } from './durable-file.js'
import { engineError } from './engine-error.js'
import { RecordSealer } from './record-seal.js'
import { StoreError } from './store-error.js'

const magic = Buffer.from('WARDFILE', 'latin1')
const fileVersion = 1
/** Table number of all files in the `config` key space; the name inside tells them apart. */
const fileTable = 64
export const fileNameBytesMax = 60

/**
 * Writes durably (temporary file, fsync, rename, fsync of the folder) and overwrites the old bytes in
 * place.
 */
export function writeSealedFile(path: string, dataKey: DataKey, content: Uint8Array): void {
  const name = nameOf(path)
  const sealer = new RecordSealer(dataKey, 'config', fileTable)
  try {
    const record = sealer.seal(name, name, content)
    const file = Buffer.concat([magic, new Uint8Array([fileVersion]), dataKey.storeId, record])
    replaceFile(path, file, { overwriteOld: true })
  } finally {
    sealer.close()
  }
}

/** The content, or undefined when there is no file. Throws FOREIGN_FILE, RECORD_ALTERED and the like. */
export function readSealedFile(path: string, dataKey: DataKey): Uint8Array | undefined {
  const file = readFileIfAny(path)
  if (file === undefined) return undefined
  const headBytes = magic.length + 1 + dataKey.storeId.length
  if (file.length < headBytes || magic.compare(file, 0, magic.length) !== 0) {
    throw new StoreError('FOREIGN_FILE', `${path} is not a sealed file`)
  }
  if (file[magic.length] > fileVersion) {
    throw new StoreError('STORE_NEWER_VERSION', `${path} was written by a newer version`)
  }
  if (Buffer.compare(file.subarray(magic.length + 1, headBytes), dataKey.storeId) !== 0) {
    throw new StoreError('FOREIGN_FILE', `${path} belongs to another store`)
  }
  const sealer = new RecordSealer(dataKey, 'config', fileTable)
  try {
    const name = nameOf(path)
    return sealer.open(name, name, file.subarray(headBytes))
  } finally {
    sealer.close()
  }
}

/** Key epoch of a sealed file; undefined of any other file. Needs no key. */
export function sealedFileEpoch(path: string): number | undefined {
  const head = Buffer.alloc(magic.length + 1 + storeIdBytes + 1)
  const file = openSync(path, 'r')
  try {
    const byteCount = readSync(file, head, 0, head.length, 0)
    const isSealed = byteCount === head.length && magic.compare(head, 0, magic.length) === 0
    return isSealed ? head[head.length - 1] >>> 4 : undefined
  } finally {
    closeSync(file)
  }
}

const setAsidePattern = /\.damaged(-\d)?$/

/** A damaged sealed file that a node moved out of its way: nothing opens it under this name. */
export const isSetAside = (path: string): boolean => setAsidePattern.test(path)

/** Moves a damaged file out of the way of its successor, and keeps it for whoever looks; returns its name. */
export function setAsideFile(path: string): string {
  const names = [
    `${path}.damaged`,
    ...[2, 3, 4, 5, 6, 7, 8, 9].map((number) => `${path}.damaged-${number}`),
  ]
  const free = names.find((name) => !existsSync(name)) ?? names[names.length - 1]
  try {
    renameSync(path, free)
    syncFolder(dirname(path))
  } catch (error) {
    throw engineError(error, `moving ${path} aside`)
  }
  return free
}

/** The name is authenticated: two files of one node cannot be swapped. */
function nameOf(path: string): Buffer {
  const name = Buffer.from(basename(path), 'utf8')
  if (name.length > fileNameBytesMax) throw new RangeError('the name of a sealed file has at most 60 bytes')
  return name
}
