// Backup of a node's folder, while the node runs or not: sealed files as they are. No password is needed
// and none could help: the keyslot file never goes in (a backup with its keys is a second store to
// steal), and neither do the votes (a restored node must not remember old votes).
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { sha256OfFile } from './file-hash.js'
import { nodeFiles, readNodeConfig } from '../node/node-config.js'
import { copyEnvironmentFile, listKeyslots } from '../store/index.js'
import { replaceFile, syncFolder } from '../store/durable-file.js'
import { ApplianceError } from './appliance-error.js'
import { canonicalJson, type Json } from './canonical-json.js'
import { isKeyslotFile } from './wipe-targets.js'

export const backupFormat = 'wardchain/backup/1'
export const manifestName = 'backup.json'

export interface BackupManifest {
  format: typeof backupFormat
  node: string
  /** Which keyslot file opens it. */
  storeId: string
  /** ISO 8601, UTC. */
  takenAt: string
  files: { path: string; byteCount: number; sha256: string }[]
}

export interface BackupOptions {
  folder: string
  /** Absent or empty. */
  out: string
  now?: () => number
  onProgress?: (label: string, done: number, total: number) => void
}

/** Relative to the node's folder. Nothing that is not in this list is copied. */
const smallFiles = ['node.json', 'card.json', 'identity.sealed']
const chainFile = path.join('chain', 'chain.lmdb')
const patientsFile = path.join('chain', 'patients.key')

/** Throws NODE_ABSENT, GENESIS_UNKNOWN, FOLDER_NOT_EMPTY, BACKUP_TORN; the folder then does not exist. */
export async function backupNode(options: BackupOptions): Promise<BackupManifest> {
  const { folder, out, now = Date.now } = options
  const { keyslots } = nodeFiles(folder)
  if (!existsSync(keyslots)) throw new ApplianceError('NODE_ABSENT', folder)
  if (!existsSync(path.join(folder, chainFile))) throw new ApplianceError('GENESIS_UNKNOWN', folder)
  if (existsSync(out) && readdirSync(out).length > 0) throw new ApplianceError('FOLDER_NOT_EMPTY', out)
  const part = `${out}.part`
  rmSync(part, { recursive: true, force: true })
  mkdirSync(path.join(part, 'chain'), { recursive: true, mode: 0o700 })
  try {
    await copyChain(options, part)
    for (const file of smallFiles) copyFileSync(path.join(folder, file), path.join(part, file))
    const manifest: BackupManifest = {
      format: backupFormat,
      node: readNodeConfig(folder).name,
      storeId: bytesToHex(listKeyslots(keyslots).storeId),
      takenAt: new Date(now()).toISOString(),
      files: [...smallFiles, chainFile, patientsFile].sort().map((file) => described(part, file)),
    }
    replaceFile(path.join(part, manifestName), Buffer.from(canonicalJson(manifest as unknown as Json)))
    if (existsSync(out)) rmdirSync(out)
    renameSync(part, out)
    syncFolder(path.dirname(path.resolve(out)))
    return manifest
  } catch (error) {
    rmSync(part, { recursive: true, force: true })
    throw error
  }
}

/**
 * The engine copies a consistent state while another process writes: readers of LMDB do not wait. The
 * patients' wrapping key changes with an erasure only; if it changed meanwhile, the two copies do not
 * fit.
 */
async function copyChain({ folder, onProgress }: BackupOptions, part: string): Promise<void> {
  const source = path.join(folder, chainFile)
  const patients = path.join(folder, patientsFile)
  const before = readFileSync(patients)
  const total = statSync(source).size
  const target = path.join(part, chainFile)
  const watch = setInterval(() => {
    onProgress?.('copying the chain', existsSync(target) ? statSync(target).size : 0, total)
  }, 500)
  try {
    await copyEnvironmentFile(source, target)
  } finally {
    clearInterval(watch)
  }
  copyFileSync(patients, path.join(part, patientsFile))
  if (!readFileSync(path.join(part, patientsFile)).equals(before)) throw new ApplianceError('BACKUP_TORN')
}

function described(part: string, file: string): BackupManifest['files'][number] {
  const copy = path.join(part, file)
  if (isKeyslotFile(copy)) throw new Error(`${file} holds keyslots and was about to enter a backup`)
  const handle = openSync(copy, 'r+')
  fsyncSync(handle)
  closeSync(handle)
  return { path: file, byteCount: statSync(copy).size, sha256: sha256OfFile(copy) }
}
