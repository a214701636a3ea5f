// Reflash, the part on this machine: a checked image becomes a new installation, or nothing at all. All
// files go into a folder beside the new one, are read back, and only then get its name.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import path from 'node:path'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import { replaceFile, syncFolder, writeAll } from '../store/durable-file.js'
import { ApplianceError } from './appliance-error.js'
import { canonicalJson } from './canonical-json.js'
import { assertTrusted, readImageHead, type ImageHead, type ImageManifest } from './release-image.js'

export interface Release {
  version: string
  build: number
}

export interface InstallOptions {
  image: string
  /** New installation: absent or empty. */
  folder: string
  /** Ed25519 public keys of the vendor's release keys, and how many of them must have signed. */
  trusted: readonly Uint8Array[]
  threshold: number
  /** What must not be undercut unless `force`. */
  installed?: Release
  force?: boolean
  onProgress?: (label: string, done: number, total: number) => void
}

const releaseFile = 'release.json'

/**
 * What an installation folder says of itself; build 0 when it did not come from an image, undefined when it
 * is no installation. RELEASE_UNREADABLE: its `release.json` is there and does not say it.
 */
export function installedRelease(folder: string): Release | undefined {
  const file = path.join(folder, releaseFile)
  if (existsSync(file)) {
    const { version, build } = parsed(file)
    const isWhole = typeof version === 'string' && /^\d+\.\d+\.\d+$/.test(version)
    if (isWhole && Number.isSafeInteger(build) && Number(build) >= 0)
      return { version, build: Number(build) }
    throw new ApplianceError('RELEASE_UNREADABLE', file)
  }
  const { version } = parsed(path.join(folder, 'package.json'))
  return typeof version === 'string' ? { version, build: 0 } : undefined
}

function parsed(file: string): Partial<Release> {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as Partial<Release> | null) ?? {}
  } catch {
    return {}
  }
}

/**
 * Checks and installs an image. Throws IMAGE_MALFORMED, IMAGE_UNTRUSTED, IMAGE_FOREIGN, IMAGE_OLDER,
 * FOLDER_NOT_EMPTY and INSTALL_ALTERED; after each of them the new folder does not exist.
 */
export function installImage(options: InstallOptions): ImageManifest {
  const { image, folder, trusted, threshold } = options
  const head = readImageHead(image)
  assertTrusted(head, trusted, threshold)
  const { manifest } = head
  const here = `${process.platform}-${process.arch}`
  if (manifest.platform !== 'any' && manifest.platform !== here) {
    throw new ApplianceError('IMAGE_FOREIGN', `${manifest.platform}, this is ${here}`)
  }
  const { installed } = options
  if (installed && isOlder(manifest, installed) && !options.force) {
    const words = `${manifest.version} build ${manifest.build}, installed ${installed.version} build ${installed.build}`
    throw new ApplianceError('IMAGE_OLDER', words)
  }
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new ApplianceError('FOLDER_NOT_EMPTY', folder)
  const part = `${folder}.part`
  rmSync(part, { recursive: true, force: true })
  try {
    unpack(options, head, part)
    readBack(options, manifest, part)
    const { name, version, build } = manifest
    const release = { name, version, build, image: bytesToHex(head.id) }
    replaceFile(path.join(part, releaseFile), Buffer.from(canonicalJson(release)))
    if (existsSync(folder)) rmdirSync(folder)
    renameSync(part, folder)
    syncFolder(path.dirname(path.resolve(folder)))
  } catch (error) {
    rmSync(part, { recursive: true, force: true })
    throw error
  }
  return manifest
}

/** By build number, which grows with every release; a lower version is older whatever its build says. */
function isOlder(offered: Release, installed: Release): boolean {
  const [left, right] = [offered, installed].map(({ version }) => version.split('.').map(Number))
  const at = left.findIndex((part, index) => part !== right[index])
  return offered.build < installed.build || (at >= 0 && left[at] < right[at])
}

function unpack(
  { image, onProgress }: InstallOptions,
  { manifest, contentAt }: ImageHead,
  part: string,
): void {
  const handle = openSync(image, 'r')
  let offset = contentAt
  try {
    mkdirSync(part, { recursive: true })
    for (const [index, file] of manifest.files.entries()) {
      const content = Buffer.alloc(file.byteCount)
      readSync(handle, content, 0, file.byteCount, offset)
      offset += file.byteCount
      if (bytesToHex(sha256(content)) !== file.sha256) {
        throw new ApplianceError('IMAGE_MALFORMED', `${file.path} is not what the manifest says`)
      }
      writeFile(path.join(part, file.path), content, file.executable)
      onProgress?.('installing', index + 1, manifest.files.length)
    }
  } finally {
    closeSync(handle)
  }
}

function writeFile(file: string, content: Buffer, executable: boolean): void {
  mkdirSync(path.dirname(file), { recursive: true })
  const handle = openSync(file, 'wx', 0o644)
  try {
    writeAll(handle, content)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  if (executable) chmodSync(file, 0o755)
}

/**
 * What lies on the disk now, compared with the manifest (through the system's cache: a medium may
 * still lie).
 */
function readBack({ onProgress }: InstallOptions, manifest: ImageManifest, part: string): void {
  for (const [index, file] of manifest.files.entries()) {
    const content = readFileSync(path.join(part, file.path))
    if (bytesToHex(sha256(content)) !== file.sha256) throw new ApplianceError('INSTALL_ALTERED', file.path)
    onProgress?.('comparing', index + 1, manifest.files.length)
  }
}
