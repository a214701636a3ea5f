// Transactions that this node keeps out of its fresh proposals (R18): those of a block that crashed its
// executor, and of one whose result was split. A block that another leader proposes is executed with them as
// any other. They stay held back over any number of starts, until they are final,
// are seen to be over (in the pool, or when they are brought again), or an administrator releases them
// (`ward tx release`). What nobody brings again after it is over stays in the list until then.
//
// Kept in a small JSON file, written whole: hashes, ids and names only, nothing of a patient. What comes to
// the list, and what a person takes out, is on the disk at once; what blocks take out is written soon after,
// beside the blocks, and all of it together.
import { readFileSync, renameSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { replaceFile } from '../store/durable-file.js'
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

/**
 * Whether one of these can have led to what ran. Everything that a signed transaction sets off in its block
 * names it as its cause; a timer, a run that was carried over and the switch of a version that was ordered
 * in an earlier block do not. What is not known speaks for nobody.
 */
export function canHaveLedTo(running: RunningFrame | undefined, bundles: readonly HeldBundle[]): boolean {
  if (running === undefined || running.transaction === '') return true
  return bundles.some(
    ({ transaction }) =>
      transaction === '' || transaction === running.transaction || transaction === running.cause,
  )
}

export class HeldBack {
  private readonly kept: HeldBlock[]
  private readonly byHash = new Map<string, HeldBundle>()
  /** The file says something else than this: the disk refused it. */
  private isUnsaved = false
  /** Counts changes, and says up to which of them the file has them. */
  private changes = 0
  private changesSaved = 0
  private saving: Promise<void> | undefined

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

  /** What is held back already stays where it is. The hashes that were let go for want of room. */
  add(block: HeldBlock): string[] {
    for (const { hash, transaction } of block.bundles) this.learn(hash, transaction)
    const bundles = block.bundles.filter(({ hash }) => !this.byHash.has(hash))
    if (bundles.length === 0) return []
    this.kept.push({ ...block, bundles })
    for (const bundle of bundles) this.byHash.set(bundle.hash, bundle)
    const letGo: string[] = []
    while (this.kept.length > 1 && this.byHash.size > bundlesMax)
      for (const { hash } of this.kept.shift()?.bundles ?? []) {
        this.byHash.delete(hash)
        letGo.push(hash)
      }
    this.changes += 1
    this.save()
    return letGo
  }

  /** The transaction of this hash has been seen. */
  learn(hash: string, transaction: string): void {
    const bundle = this.byHash.get(hash)
    if (bundle !== undefined && transaction !== '') bundle.transaction = transaction
  }

  /** Takes these out, on the disk too; which of them were held back. */
  drop(hashes: readonly string[]): string[] {
    const dropped = this.takeOut(hashes)
    if (dropped.length > 0) this.save()
    return dropped
  }

  /** As `drop`, but the disk follows beside what goes on: for the thread that the blocks wait for. */
  dropSoon(hashes: readonly string[]): void {
    if (this.takeOut(hashes).length > 0) this.saveSoon()
  }

  private takeOut(hashes: readonly string[]): string[] {
    const dropped = hashes.filter((hash) => this.byHash.delete(hash))
    if (dropped.length === 0) return []
    for (const block of this.kept) block.bundles = block.bundles.filter(({ hash }) => this.byHash.has(hash))
    const left = this.kept.filter(({ bundles }) => bundles.length > 0)
    this.kept.splice(0, this.kept.length, ...left)
    this.changes += 1
    return dropped
  }

  /** Once more what the disk refused. */
  saveAgain(): void {
    if (this.isUnsaved) this.saveSoon()
  }

  /** Whether the file says the same, or soon will: what the disk refused is forgotten with this process. */
  get isSaved(): boolean {
    return !this.isUnsaved
  }

  /** When what was to be written soon has been written, or refused by the disk. */
  async settled(): Promise<void> {
    await this.saving
  }

  private text(): Buffer {
    return Buffer.from(`${JSON.stringify({ version: 1, blocks: this.kept })}\n`)
  }

  private save(): void {
    if (this.path === undefined) return
    try {
      replaceFile(this.path, this.text())
      this.saved(this.changes)
    } catch (error) {
      this.notSaved(error)
    }
  }

  private saveSoon(): void {
    const { path } = this
    if (path === undefined) return
    this.saving ??= this.saveBeside(path).finally(() => (this.saving = undefined))
  }

  /** Until the file says the same, or the disk refuses it. */
  private async saveBeside(path: string): Promise<void> {
    const temporary = `${path}.soon`
    try {
      // All that one block takes out is written once.
      await setImmediate()
      while (this.changesSaved < this.changes) {
        const { changes } = this
        await syncPath(temporary, this.text())
        // A later one may have been written at once meanwhile: an older text never replaces it.
        if (this.changesSaved >= changes) continue
        renameSync(temporary, path)
        this.saved(changes)
        await syncPath(dirname(path))
      }
    } catch (error) {
      this.notSaved(error)
    }
    await rm(temporary, { force: true }).catch(() => undefined)
  }

  private saved(changes: number): void {
    this.changesSaved = changes
    this.isUnsaved = false
  }

  /** A full disk must not end what goes on: it is held back in memory, and written when there is room. */
  private notSaved(error: unknown): void {
    if (!this.isUnsaved) this.onTrouble(error)
    this.isUnsaved = true
  }

  private index(): void {
    for (const { bundles } of this.kept) for (const bundle of bundles) this.byHash.set(bundle.hash, bundle)
  }
}

/** A file with these bytes, or a folder as it is: on the disk when this resolves. */
async function syncPath(path: string, bytes?: Uint8Array): Promise<void> {
  const file = await (bytes === undefined ? open(path, 'r') : open(path, 'w', 0o600))
  try {
    if (bytes !== undefined) await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
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
