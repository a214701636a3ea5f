// What was being executed when the executor died (R18). Before a block runs, the SHA-256 of each of its
// bundles is written to a small file; after it the file is emptied. A block's transactions are held back
// (`held-back.ts`) only when it is likely that they did it:
// - the executor thread itself died or was stuck while it ran them (`executorDied`), or
// - two starts in a row found the very same block unfinished.
// A process that somebody killed, or a machine without power, blames nobody the first time.
//
// The file holds hashes only: a line with the state, the block's key and its height, a line with the key that
// the start before had found, then one line a bundle. It is not synced: it has to survive the end of a
// process, not of a machine. A disk that refuses it keeps no block from being executed: a full one keeps it
// from being final anyway.
import { closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs'
import { openForWriting } from '../store/engine-error.js'
import { bytesToHex, decodeBundle, decodePayload, utf8 } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import type { HeldBundle } from './held-back.js'

const hashPattern = /^[0-9a-f]{64}$/
const headPattern = /^(unfinished|died) +([0-9a-f]{64})(?: (\d+))?$/
const beforePattern = /^before ([0-9a-f]{64})$/

type State = 'unfinished' | 'died'
/** Of one length: a death is written over a head that is there, which needs no room on a full disk. */
const stateWords: Record<State, string> = { unfinished: 'unfinished', died: 'died      ' }

export interface Executing {
  /** Names the block by its bundles: the same in another view or at another height. */
  key: string
  /** Hex hashes. */
  bundles: string[]
  /** 0: not known. */
  height: number
}

interface Begun extends Executing {
  payload: Uint8Array
}

interface Found extends Executing {
  state: State
  before: string | undefined
}

export class CrashJournal {
  private readonly file: number
  /** Blocks handed to the executor and not yet answered, in its order: the first is the one that runs. */
  private readonly executing: Begun[] = []
  /** Key of the block that this start found unfinished, until it has run to its end. */
  private before: string | undefined
  private hasDied = false
  /** The block that stands in the file. */
  private written: Begun | undefined
  private isClosed = false
  /** The block to hold back. */
  readonly suspect: (Executing & { reason: 'EXECUTOR_DIED' | 'UNFINISHED_TWICE' }) | undefined
  /** The block that the process before was executing when it ended, whoever ended it. */
  readonly unfinished: Executing | undefined

  constructor(path: string) {
    const found = readJournal(path)
    if (found?.state === 'died') this.suspect = { ...found, reason: 'EXECUTOR_DIED' }
    else if (found && found.before === found.key) this.suspect = { ...found, reason: 'UNFINISHED_TWICE' }
    this.unfinished = found?.state === 'unfinished' ? found : undefined
    this.before = found?.key
    this.file = openForWriting(path, true)
  }

  /** The store is open, what stood in the file is told: a start that fails before takes nothing away. */
  taken(): void {
    this.write('unfinished')
  }

  /**
   * Executes and remembers meanwhile what is being executed. Answered or refused, it is over; only what a
   * dead thread took with it stays in the file. Call in the order in which the executor gets the blocks.
   */
  async during<T>(
    executor: { readonly isDead: boolean },
    { payload, height }: { payload: Uint8Array; height: number },
    run: () => Promise<T>,
  ): Promise<T> {
    const entry = this.begin(payload, height)
    try {
      return await run()
    } finally {
      if (!executor.isDead) this.end(entry)
    }
  }

  begin(payload: Uint8Array, height = 0): Executing {
    const bundles = bundlesOf(payload).map((bundle) => bytesToHex(sha256(bundle)))
    const entry = { key: bytesToHex(sha256(utf8(bundles.join('\n')))), bundles, height, payload }
    this.executing.push(entry)
    if (this.executing.length === 1) this.write('unfinished')
    return entry
  }

  /** This block has been answered, whatever the answer. */
  end(entry: Executing): void {
    const place = this.executing.findIndex((each) => each === entry)
    if (place < 0) return
    this.executing.splice(place, 1)
    if (entry.key === this.before) this.before = undefined
    if (place === 0) this.write('unfinished')
  }

  /** The block that runs now. */
  get running(): { height: number; bundles: HeldBundle[] } {
    const [running] = this.executing
    if (running === undefined) return { height: 0, bundles: [] }
    return { height: running.height, bundles: heldBundles(running.payload) }
  }

  /** The thread died, or was ended by the watchdog, while it executed: remembered before the process ends. */
  executorDied(): void {
    if (this.hasDied) return
    this.write('died')
    this.hasDied = true
  }

  /** It died of what no transaction of the running block led to: the next start finds nobody to blame. */
  diedOfDueWork(): void {
    if (this.hasDied) return
    this.executing.length = 0
    this.write('unfinished')
    this.hasDied = true
  }

  /** Leaves what is unfinished in the file, for the next start to find. */
  close(): void {
    if (!this.isClosed) closeSync(this.file)
    this.isClosed = true
  }

  private write(state: State): void {
    if (this.isClosed || this.hasDied) return
    const [running] = this.executing
    const isRunning = running !== undefined && running.bundles.length > 0
    try {
      if (state === 'died' && isRunning && this.written === running) {
        writeSync(this.file, stateWords.died, 0)
        return
      }
      // First empty, so that no tail of a longer block before is read as part of this one.
      ftruncateSync(this.file, 0)
      this.written = undefined
      if (!isRunning) return
      const head = `${stateWords[state]} ${running.key} ${running.height}`
      writeSync(this.file, [head, `before ${this.before ?? ''}`, ...running.bundles].join('\n'), 0)
      this.written = running
    } catch {
      // The store meets the same disk at its next commit, and says so.
    }
  }
}

/** The bundles of a payload with the ids of their transactions. */
export function heldBundles(payload: Uint8Array): HeldBundle[] {
  return bundlesOf(payload).map((bytes) => {
    const bundle = decodeBundle(bytes, sha256)
    const transaction = bundle.ok ? bytesToHex(bundle.value.signed.id) : ''
    return { hash: bytesToHex(sha256(bytes)), transaction }
  })
}

/** None of a payload that is refused before anything of it runs. */
function bundlesOf(payload: Uint8Array): Uint8Array[] {
  const decoded = decodePayload(payload)
  return decoded.ok ? decoded.value.lanes.flat() : []
}

function readJournal(path: string): Found | undefined {
  const [head, before, ...bundles] = linesOf(path)
  const match = headPattern.exec(head ?? '')
  if (!match) return undefined
  return {
    state: match[1] as State,
    key: match[2],
    height: Number(match[3] ?? 0),
    before: beforePattern.exec(before ?? '')?.[1],
    bundles: bundles.filter((line) => hashPattern.test(line)),
  }
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}
