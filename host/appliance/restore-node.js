// Restore onto a new or emptied machine: a checked backup and its keyslot file become a node's folder again, or nothing.
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
import { nodeFiles, readNodeConfig, writeNodeConfig } from '../node/node-config.js'
import { listKeyslots, openKeyslot, writeSealedFile } from '../store/index.js'
import { syncFolder } from '../store/durable-file.js'
import { ApplianceError } from './appliance-error.js'
import { backupFormat, manifestName } from './backup-node.js'
import { examineNode } from './doctor.js'
import { sha256OfFile } from './file-hash.js'
/**
 * Throws BACKUP_MALFORMED, FOLDER_NOT_EMPTY, KEYSLOT_REJECTED and codes of the store; the folder then does not exist.
 *
 * A validator comes back as an observer: it follows and does not vote. Its votes are not in any backup, and what it signed
 * since is unknown. A sealed token without votes is left in `votes/`, so that the store never takes it for a new node, even
 * if the backup is of height 0: given its role back, it goes through the silence of a lost record (R17).
 */
export async function restoreNode(options) {
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
    const config = readNodeConfig(part)
    const wasValidator = config.role === 'validator'
    if (wasValidator) writeNodeConfig(part, { ...config, role: 'observer' })
    if (existsSync(folder)) rmdirSync(folder)
    renameSync(part, folder)
    syncFolder(path.dirname(path.resolve(folder)))
    return { report, wasValidator }
  } catch (error) {
    rmSync(part, { recursive: true, force: true })
    throw error
  }
}
function checkedManifest(backup, keyslots) {
  let manifest
  try {
    manifest = JSON.parse(readFileSync(path.join(backup, manifestName), 'utf8'))
    if (manifest.format !== backupFormat || !Array.isArray(manifest.files)) throw new Error('format')
  } catch (error) {
    throw new ApplianceError('BACKUP_MALFORMED', `${manifestName} cannot be read`, error)
  }
  const storeId = bytesToHex(listKeyslots(keyslots).storeId)
  if (storeId !== manifest.storeId) throw malformed('the keyslot file is of another store')
  return manifest
}
function copyFiles({ backup, keyslots, onProgress }, manifest, part) {
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
async function leaveToken(part, password) {
  const files = nodeFiles(part)
  const dataKey = await openKeyslot(files.keyslots, password)
  try {
    writeSealedFile(path.join(files.votes, 'votes.token'), dataKey, randomBytes(16))
  } finally {
    dataKey.close()
  }
}
const malformed = (detail) => new ApplianceError('BACKUP_MALFORMED', detail)
//# sourceMappingURL=restore-node.js.map
