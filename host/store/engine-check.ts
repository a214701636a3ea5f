// Walks an LMDB file without the engine, which trusts its own pages and may end the process on a damaged
// one. Every page that the newest meta page leads to is checked: its number and kind, the place of each
// node in it, the order of the keys, that no page is reached twice, and that there are as many keys as the
// meta page says: a record that was cut out with its place is missed. Sealed values are not opened here.
//
//   page   number u64 | transaction u64 | pad u16 | flags u16 | lower u16 | upper u16 | node offsets u16...
//   node   u16 | u16 | flags u16 | key length u16 | key | data
//          branch: the three u16 are the child's page number; leaf: the first two are the data's length
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { engineError } from './engine-error.js'
import { newestMeta, pageBytes } from './engine-file.js'
import { StoreError } from './store-error.js'

const headBytes = 24
const nodeHeadBytes = 8
const pageFlag = { branch: 1, leaf: 2, overflow: 4 } as const
const bigData = 1
/** Deeper than any tree of 2^48 pages. */
const depthMax = 32
const findingCountMax = 20
const progressEvery = 4_096

interface Bounds {
  /** Keys of the subtree are >= low and < high; undefined: no bound. */
  low: Buffer | undefined
  high: Buffer | undefined
}

/** What is wrong, page by page; empty when the structure is whole. Throws STORE_DAMAGED and IO codes. */
export function checkEngineTree(
  path: string,
  onProgress?: (pages: number, total: number) => void,
): string[] {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    throw engineError(error, `opening ${path}`)
  }
  try {
    return new TreeWalk(path, file, onProgress).findings
  } finally {
    closeSync(file)
  }
}

/** Throws STORE_DAMAGED, which names the first damaged page. */
export function assertEngineTree(path: string, onProgress?: (pages: number, total: number) => void): void {
  const [finding] = checkEngineTree(path, onProgress)
  if (finding !== undefined) throw new StoreError('STORE_DAMAGED', `${path}: ${finding}`)
}

class TreeWalk {
  readonly findings: string[] = []
  readonly #file: number
  readonly #pageCount: number
  readonly #seen: Uint8Array
  readonly #onProgress: ((pages: number, total: number) => void) | undefined
  #pages = 0
  #records = 0

  constructor(path: string, file: number, onProgress?: (pages: number, total: number) => void) {
    this.#file = file
    this.#onProgress = onProgress
    const { size } = fstatSync(file)
    const meta = newestMeta(file, path)
    this.#pageCount = Math.min(meta.lastPage + 1, Math.floor(size / pageBytes))
    this.#seen = new Uint8Array(Math.ceil(this.#pageCount / 8))
    const none = { low: undefined, high: undefined }
    // The list of free pages has numbers as keys, in the machine's order: their order is not looked at.
    for (const { root, isFreeList } of meta.roots)
      if (root !== undefined) this.#walk(root, 0, none, isFreeList)
    if (this.findings.length === 0 && this.#records !== meta.entryCount)
      this.findings.push(`its pages hold ${this.#records} records, and it says ${meta.entryCount}`)
  }

  #find(page: number, what: string): void {
    if (this.findings.length < findingCountMax) this.findings.push(`page ${page}: ${what}`)
  }

  /** Once each: a page that is reached twice belongs to two places. */
  #visit(page: number): boolean {
    if (!Number.isSafeInteger(page) || page < 2 || page >= this.#pageCount) {
      this.#find(page, 'it is named and lies outside the file')
      return false
    }
    const [at, bit] = [page >>> 3, 1 << (page & 7)]
    if ((this.#seen[at] & bit) !== 0) {
      this.#find(page, 'two places lead to it')
      return false
    }
    this.#seen[at] |= bit
    this.#pages += 1
    if (this.#pages % progressEvery === 0) this.#onProgress?.(this.#pages, this.#pageCount)
    return true
  }

  #read(page: number): Buffer {
    const bytes = Buffer.alloc(pageBytes)
    readSync(this.#file, bytes, 0, pageBytes, page * pageBytes)
    return bytes
  }

  #walk(page: number, depth: number, bounds: Bounds, isFreeList: boolean): void {
    if (this.findings.length >= findingCountMax || !this.#visit(page)) return
    if (depth > depthMax) return this.#find(page, 'the tree is too deep')
    const bytes = this.#read(page)
    if (Number(bytes.readBigUInt64LE(0)) !== page) return this.#find(page, 'it says another number')
    const flags = bytes.readUInt16LE(18) & 0xff
    if (flags !== pageFlag.branch && flags !== pageFlag.leaf)
      return this.#find(page, 'it is no page of a tree')
    const nodes = nodesOf(bytes)
    if (typeof nodes === 'string') return this.#find(page, nodes)
    if (nodes.length === 0) return this.#find(page, 'it is empty')
    const isBranch = flags === pageFlag.branch
    if (!isBranch && !isFreeList) this.#records += nodes.length
    if (!isFreeList && !isInOrder(nodes, bounds, isBranch))
      return this.#find(page, 'its keys are not in order')
    for (const [index, node] of nodes.entries()) {
      if (!isBranch) {
        this.#leafNode(page, bytes, node)
        continue
      }
      const low = index === 0 ? bounds.low : node.key
      const high = index + 1 < nodes.length ? nodes[index + 1].key : bounds.high
      const child = node.dataBytes + node.flags * 2 ** 32
      this.#walk(child, depth + 1, { low, high }, isFreeList)
    }
  }

  #leafNode(page: number, bytes: Buffer, { dataAt, dataBytes, flags }: Node): void {
    if ((flags & bigData) === 0) {
      if (dataAt + dataBytes > pageBytes) this.#find(page, 'a record goes past its end')
      return
    }
    if (dataAt + 8 > pageBytes) return this.#find(page, 'a record goes past its end')
    const first = Number(bytes.readBigUInt64LE(dataAt))
    if (!this.#visit(first)) return
    const head = this.#read(first)
    const count = head.readUInt32LE(20)
    const needed = Math.ceil((headBytes + dataBytes) / pageBytes)
    if (Number(head.readBigUInt64LE(0)) !== first || (head.readUInt16LE(18) & 0xff) !== pageFlag.overflow)
      return this.#find(first, 'it does not begin a large record')
    if (count < needed || first + count > this.#pageCount)
      return this.#find(first, 'a large record has another length')
    for (let next = first + 1; next < first + count; next += 1) this.#visit(next)
  }
}

interface Node {
  key: Buffer
  flags: number
  /** Of a branch: the lower 32 bits of the child's number. */
  dataBytes: number
  dataAt: number
}

/** The nodes of a tree page, or what is wrong with their places. */
function nodesOf(bytes: Buffer): Node[] | string {
  // All places count from the end of the head.
  const [lower, upper] = [headBytes + bytes.readUInt16LE(20), headBytes + bytes.readUInt16LE(22)]
  if (lower > upper || upper > pageBytes || lower % 2 !== 0) return 'its bounds are not bounds'
  const nodes: Node[] = []
  for (let at = headBytes; at < lower; at += 2) {
    const offset = headBytes + bytes.readUInt16LE(at)
    if (offset < upper || offset + nodeHeadBytes > pageBytes) return 'a node lies outside it'
    const dataAt = offset + nodeHeadBytes + bytes.readUInt16LE(offset + 6)
    if (dataAt > pageBytes) return 'a key goes past its end'
    nodes.push({
      key: bytes.subarray(offset + nodeHeadBytes, dataAt),
      flags: bytes.readUInt16LE(offset + 4),
      dataBytes: bytes.readUInt32LE(offset),
      dataAt,
    })
  }
  return nodes
}

/** The first key of a branch page is not looked at by the engine and may be empty. */
function isInOrder(nodes: readonly Node[], { low, high }: Bounds, isBranch: boolean): boolean {
  return nodes.every(({ key }, index) => {
    if (isBranch && index === 0) return true
    const before = index === 0 || (isBranch && index === 1) ? undefined : nodes[index - 1].key
    const isAboveLow = low === undefined || Buffer.compare(key, low) >= 0
    const isBelowHigh = high === undefined || Buffer.compare(key, high) < 0
    return isAboveLow && isBelowHigh && (before === undefined || Buffer.compare(before, key) < 0)
  })
}
