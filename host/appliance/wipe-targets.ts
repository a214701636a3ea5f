// What a wipe will destroy: every file below the node's folder, links by themselves, and keyslot files by
// their content.
import {
  closeSync,
  type Dirent,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs'
import path from 'node:path'

export interface WipeTarget {
  path: string
  byteCount: number
  isKeyslot: boolean
  isLink: boolean
  linkTarget?: string
}

const keyslotMagic = Buffer.from('WARDKEYS', 'latin1')

/** Sorted by path. Links are not followed: what they point to may be anyone's. */
export function filesToWipe(folder: string, keyslotCopies: readonly string[]): WipeTarget[] {
  const inside = existsSync(folder) ? walk(folder) : []
  // A link to a keyslot file is a copy that lies elsewhere.
  const linked = inside.filter((target) => target.isLink && isKeyslotFile(target.path))
  const copies = [...keyslotCopies, ...linked.map((target) => target.path)]
    .filter((file) => existsSync(file))
    .map((file) => targetOf(realpathSync(file)))
  const elsewhere = copies.filter((copy) => !inside.some((target) => target.path === copy.path))
  return [...inside, ...elsewhere.map((target) => ({ ...target, isKeyslot: true }))]
}

function walk(folder: string): WipeTarget[] {
  return entriesOf(folder)
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = path.join(folder, entry.name)
      return entry.isDirectory() ? walk(inner) : [targetOf(inner)]
    })
}

/** One that cannot be read must not keep the others from their end. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function targetOf(file: string): WipeTarget {
  const status = lstatSync(file)
  if (status.isSymbolicLink()) {
    return { path: file, byteCount: 0, isKeyslot: false, isLink: true, linkTarget: readlinkSync(file) }
  }
  // A pipe is not opened: that would wait for whoever writes into it.
  const isKeyslot = status.isFile() && isKeyslotFile(file)
  return { path: file, byteCount: status.size, isKeyslot, isLink: false }
}

/**
 * A copy of the keyslot file under any name (an editor's, a person's) opens the store as well as the
 * original.
 */
export function isKeyslotFile(file: string): boolean {
  try {
    const handle = openSync(file, 'r')
    try {
      const head = Buffer.alloc(keyslotMagic.length)
      readSync(handle, head, 0, head.length, 0)
      return head.equals(keyslotMagic)
    } finally {
      closeSync(handle)
    }
  } catch {
    return false
  }
}
