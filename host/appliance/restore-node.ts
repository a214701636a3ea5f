// Restore onto a new or emptied machine: a checked backup and its keyslot file become a node's folder
// again, or nothing.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { randomBytes } from '../keys/crypto.js'
import { nodeFiles, readNodeConfig } from '../node/node-config.js'
import { listKeyslots, openKeyslot, writeSealedFile } from '../store/index.js'
import { syncFolder } from '../store/durable-file.js'
import { ApplianceError } from './appliance-error.js'
import { backupFormat, manifestName, type BackupManifest } from './backup-node.js'
import { examineNode, type DoctorReport } from './doctor.js'
import { sha256OfFile } from './file-hash.js'

export interface RestoreOptions {
  backup: string
  /** The keyslot file, which is kept apart from every backup. */
  keyslots: string
  /** Absent or empty. */
  folder: string
  /** Store password; the caller zeroes it. */
  password: Uint8Array
  onProgress?: (label: string, done: number, total: number) => void
}

export interface Restored {
  report: DoctorReport
  /** It was a validator: it follows at once and votes again when that is safe. */
  wasValidator: boolean
}

/**
 * Throws BACKUP_MALFORMED, FOLDER_NOT_EMPTY, KEYSLOT_REJECTED and codes of the store; the folder then
 * does not exist.
 *
 * What a node is, the chain says: a restored validator is one still. Its votes are not in any backup, and
 * what its key signed since is unknown, so it follows and is silent until the chain has passed every height
 * that the key may have signed (R17); then it votes again by itself. A sealed token without votes is left in
 * `votes/`, so that the store never takes it for a new node, even if the backup is of height 0.
 */
export async function restoreNode(options: RestoreOptions): Promise<Restored> {
  const { backup, keyslots, folder, password, onProgress } = options
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new ApplianceError('FOLDER_NOT_EMPTY', folder)
  const manifest = checkedManifest(backup, keyslots)
  const part = `${folder}.part`
  rmSync(part, { recursive: true, force: true })
  try {
    copyFiles(options, manifest, part)
    await leaveToken(part, password)
    const report = await examineNode({ folder: part, password, onProgress })
    const [finding] = report.findings
    if (finding) throw malformed(`${finding.table}: ${finding.message}`)
    const wasValidator = readNodeConfig(part).role === 'validator'
    if (existsSync(folder)) rmdirSync(folder)
    renameSync(part, folder)
    syncFolder(path.dirname(path.resolve(folder)))
    return { report, wasValidator }
  } catch (error) {
    rmSync(part, { recursive: true, force: true })
    throw error
  }
}

function checkedManifest(backup: string, keyslots: string): BackupManifest {
  let manifest: BackupManifest
  try {
    manifest = JSON.parse(readFileSync(path.join(backup, manifestName), 'utf8')) as BackupManifest
    if (manifest.format !== backupFormat || !Array.isArray(manifest.files)) throw new Error('format')
  } catch (error) {
    throw new ApplianceError('BACKUP_MALFORMED', `${manifestName} cannot be read`, error)
  }
  const storeId = bytesToHex(listKeyslots(keyslots).storeId)
  if (storeId !== manifest.storeId) throw malformed('the keyslot file is of another store')
  return manifest
}

function copyFiles(
  { backup, keyslots, onProgress }: RestoreOptions,
  manifest: BackupManifest,
  part: string,
): void {
  const files = nodeFiles(part)
  for (const folder of [part, files.chain, files.votes]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [index, { path: name, byteCount, sha256 }] of manifest.files.entries()) {
    const target = path.resolve(part, name)
    if (!target.startsWith(path.resolve(part) + path.sep)) throw malformed(`it names ${name}`)
    const source = path.join(backup, name)
    if (!existsSync(source) || statSync(source).size !== byteCount)
      throw malformed(`${name} is missing or cut`)
    copyFileSync(source, target)
    if (sha256OfFile(target) !== sha256) throw malformed(`${name} is not what was backed up`)
    onProgress?.('copying', index + 1, manifest.files.length)
  }
  copyFileSync(keyslots, files.keyslots)
}

async function leaveToken(part: string, password: Uint8Array): Promise<void> {
  const files = nodeFiles(part)
  const dataKey = await openKeyslot(files.keyslots, password)
  try {
    writeSealedFile(path.join(files.votes, 'votes.token'), dataKey, randomBytes(16))
  } finally {
    dataKey.close()
  }
}

const malformed = (detail: string): ApplianceError => new ApplianceError('BACKUP_MALFORMED', detail)
