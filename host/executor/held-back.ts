// Transactions that this node keeps out of its fresh proposals (R18): those of a block that crashed its
// executor, and of one whose result was split. A block that another leader proposes is executed with them as
// any other. They stay held back over any number of starts, until they are final, can no longer become final,
// or an administrator releases them (`ward tx release`).
//
// Kept in a small JSON file, written whole at each change: hashes, ids and names only, nothing of a patient.
import { replaceFile } from '../store/durable-file.js'
import { readFileSync } from 'node:fs'
import type { RunningFrame } from './execution-note.js'

export type HeldReason = 'EXECUTOR_DIED' | 'UNFINISHED_TWICE' | 'RESULT_SPLIT'

export interface HeldBundle {
  /** Hex SHA-256 of the bundle. */
  hash: string
  /** Hex id; '' while only its hash is known here. */
  transaction: string
}

/** One block, or one run of waiting transactions (R31), and what of it is still held back. */
export interface HeldBlock {
  /** ms since 1970 UTC. */
  since: number
  reason: HeldReason
  /** 0: not known. */
  height: number
  /** What ran when the executor died. */
  running?: RunningFrame
  bundles: HeldBundle[]
}

/** Some thirty full blocks; beyond it the oldest are let go, so that crashes cannot fill a disk. */
export const bundlesMax = 20_000
const hashPattern = /^[0-9a-f]{64}$/

export class HeldBack {
  private readonly kept: HeldBlock[]
  private readonly byHash = new Map<string, HeldBundle>()
  /** The file says something else than this: the disk refused it. */
  private isUnsaved = false

  /** Without a path nothing outlives this object. `onTrouble`: the file could not be read or written. */
  constructor(
    private readonly path?: string,
    private readonly onTrouble: (error: unknown) => void = () => undefined,
  ) {
    this.kept = path === undefined ? [] : readHeld(path, onTrouble)
    this.index()
  }

  get count(): number {
    return this.byHash.size
  }

  get blocks(): readonly HeldBlock[] {
    return this.kept
  }

  has(hash: string): boolean {
    return this.byHash.has(hash)
  }

  /** What is held back already stays where it is. */
  add(block: HeldBlock): void {
    for (const { hash, transaction } of block.bundles) this.learn(hash, transaction)
    const bundles = block.bundles.filter(({ hash }) => !this.byHash.has(hash))
    if (bundles.length === 0) return
    this.kept.push({ ...block, bundles })
    while (this.kept.length > 1 && this.countKept() > bundlesMax) this.kept.shift()
    this.index()
    this.save()
  }

  /** The transaction of this hash has been seen. */
  learn(hash: string, transaction: string): void {
    const bundle = this.byHash.get(hash)
    if (bundle !== undefined && transaction !== '') bundle.transaction = transaction
  }

  /** Takes these out; which of them were held back. */
  drop(hashes: readonly string[]): string[] {
    const dropped = new Set(hashes.filter((hash) => this.byHash.has(hash)))
    if (dropped.size === 0) return []
    for (const block of this.kept) block.bundles = block.bundles.filter(({ hash }) => !dropped.has(hash))
    const left = this.kept.filter(({ bundles }) => bundles.length > 0)
    this.kept.splice(0, this.kept.length, ...left)
    this.index()
    this.save()
    return [...dropped]
  }

  /** Once more what the disk refused. */
  saveAgain(): void {
    if (this.isUnsaved) this.save()
  }

  /** Whether the file says the same: what it does not say is forgotten with this process. */
  get isSaved(): boolean {
    return !this.isUnsaved
  }

  private save(): void {
    if (this.path === undefined) return
    try {
      replaceFile(this.path, Buffer.from(`${JSON.stringify({ version: 1, blocks: this.kept })}\n`))
      this.isUnsaved = false
    } catch (error) {
      // A full disk must not end what goes on: it is held back in memory, and written when there is room.
      if (!this.isUnsaved) this.onTrouble(error)
      this.isUnsaved = true
    }
  }

  private index(): void {
    this.byHash.clear()
    for (const { bundles } of this.kept) for (const bundle of bundles) this.byHash.set(bundle.hash, bundle)
  }

  private countKept(): number {
    return this.kept.reduce((sum, { bundles }) => sum + bundles.length, 0)
  }
}

function readHeld(path: string, onTrouble: (error: unknown) => void): HeldBlock[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onTrouble(error)
    return []
  }
  try {
    const { blocks } = JSON.parse(text) as { blocks: HeldBlock[] }
    for (const { bundles } of blocks)
      for (const { hash } of bundles) if (!hashPattern.test(hash)) throw new Error('not a hash')
    return blocks
  } catch (error) {
    onTrouble(error)
    return []
  }
}
