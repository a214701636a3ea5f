// Packs the built project: what runs, what it needs, and nothing that was made by chance.
import {
  existsSync,
  lstatSync,
  openSync,
  closeSync,
  fsyncSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import path from 'node:path'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { sha256, type SigningKey } from '../keys/crypto.js'
import { syncFolder, writeAll } from '../store/durable-file.js'
import { ApplianceError } from './appliance-error.js'
import { hasSource, type ImageSource } from './image-source.js'
import { encodeImageHead, imageFormat, type ImageFile, type ImageManifest } from './release-image.js'

export interface BuildOptions {
  /** Folder with package.json, package-lock.json and a built `dist/`. */
  project: string
  out: string
  /** Grows with every release. */
  build: number
  /** What `imageSource` says of the project. */
  source: Pick<ImageSource, 'commit' | 'isDirty'>
  keys: readonly SigningKey[]
  /** Also packs what the lock file lists for production, so that the image runs without a registry. */
  packages: boolean
  onProgress?: (label: string, done: number, total: number) => void
}

const documents = [
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'package-lock.json',
  'package.json',
]
/** Of `dist/`, beside what has no source: neither tests nor what only compilers and debuggers read. */
const leftOut = /\.(test|bench|fixture)\.|\.d\.ts$|\.map$|\.tsbuildinfo$/

/** Writes the image. Throws IMAGE_SOURCE when the project is not built or a listed package is missing. */
export function buildImage(options: BuildOptions): ImageManifest {
  const { project, out, onProgress } = options
  const { name, version } = packageOf(project)
  const paths = listFiles(options)
  const files = paths.map((file, index): ImageFile => {
    onProgress?.('reading', index + 1, paths.length)
    const content = readFileSync(path.join(project, file))
    const executable = (lstatSync(path.join(project, file)).mode & 0o100) !== 0
    return { path: file, byteCount: content.length, sha256: bytesToHex(sha256(content)), executable }
  })
  const platform = options.packages ? `${process.platform}-${process.arch}` : 'any'
  const manifest: ImageManifest = {
    format: imageFormat,
    name,
    version,
    build: options.build,
    commit: options.source.commit,
    dirty: options.source.isDirty,
    platform,
    files,
  }
  writeImage(out, encodeImageHead(manifest, options.keys), project, files, onProgress)
  return manifest
}

function writeImage(
  out: string,
  head: Uint8Array,
  project: string,
  files: readonly ImageFile[],
  onProgress: BuildOptions['onProgress'],
): void {
  const part = `${out}.part`
  const handle = openSync(part, 'w')
  try {
    writeAll(handle, head)
    for (const [index, file] of files.entries()) {
      const content = readFileSync(path.join(project, file.path))
      if (bytesToHex(sha256(content)) !== file.sha256)
        throw unpackable(`${file.path} changed while it was packed`)
      writeAll(handle, content)
      onProgress?.('packing', index + 1, files.length)
    }
    fsyncSync(handle)
    renameSync(part, out)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  } finally {
    closeSync(handle)
  }
  syncFolder(path.dirname(path.resolve(out)))
}

/** Paths of everything that goes in, ascending by code unit. */
function listFiles({ project, packages }: BuildOptions): string[] {
  const paths = documents.filter((file) => existsSync(path.join(project, file)))
  if (!existsSync(path.join(project, 'dist', 'tools', 'ward.js')))
    throw unpackable('run `npm run build` first')
  const built = walk(project, 'dist').filter((file) => !leftOut.test(file))
  paths.push(...built.filter((file) => hasSource(project, file)))
  if (packages) for (const folder of productionPackages(project)) paths.push(...walk(project, folder))
  return paths.sort((left, right) => (left < right ? -1 : 1))
}

interface LockEntry {
  dev?: boolean
  optional?: boolean
  devOptional?: boolean
}

/** Folders of the packages that run, from the lock file; optional ones only if they are there. */
function productionPackages(project: string): string[] {
  const lock = JSON.parse(readFileSync(path.join(project, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>
  }
  return Object.entries(lock.packages).flatMap(([folder, entry]) => {
    if (folder === '' || entry.dev === true || entry.devOptional === true) return []
    if (existsSync(path.join(project, folder))) return [folder]
    if (entry.optional === true) return []
    throw unpackable(`${folder} is in the lock file and not installed`)
  })
}

/**
 * Files below a folder; links and packages nested in packages (they are entries of their own) are not
 * followed.
 */
function walk(project: string, folder: string): string[] {
  return readdirSync(path.join(project, folder), { withFileTypes: true }).flatMap((entry) => {
    const inner = `${folder}/${entry.name}`
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : walk(project, inner)
    return entry.isFile() ? [inner] : []
  })
}

function packageOf(project: string): { name: string; version: string } {
  try {
    return JSON.parse(readFileSync(path.join(project, 'package.json'), 'utf8')) as never
  } catch (error) {
    throw new ApplianceError('IMAGE_SOURCE', 'there is no package.json', error)
  }
}

const unpackable = (detail: string): ApplianceError => new ApplianceError('IMAGE_SOURCE', detail)
