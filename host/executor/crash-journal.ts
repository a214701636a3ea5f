// What was being executed when the executor died (R18). Before a block runs, the SHA-256 of each of its
// bundles is written to a small file; after it the file is emptied. A block's transactions stay out of this
// node's fresh proposals, until governance has looked at them, only when it is likely that they did it:
// - the executor thread itself died or was stuck while it ran them (`executorDied`), or
// - two starts in a row found the very same block unfinished.
// A process that somebody killed, or a machine without power, blames nobody the first time.
//
// The file holds hashes only: a line with the state and the block's key, a line with the key that the start
// before had found, then one line a bundle. It is not synced: it has to survive the end of a process, not of
// a machine.
import { closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs'
import { openForWriting } from '../store/engine-error.js'
import { bytesToHex, decodePayload, utf8 } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'

const hashPattern = /^[0-9a-f]{64}$/
const headPattern = /^(unfinished|died) ([0-9a-f]{64})$/
const beforePattern = /^before ([0-9a-f]{64})$/

type State = 'unfinished' | 'died'

export interface Executing {
  /** Names the block by its bundles: the same in another view or at another height. */
  key: string
  bundles: string[]
}

interface Found extends Executing {
  state: State
  before: string | undefined
}

export class CrashJournal {
  private readonly file: number
  /** Blocks handed to the executor and not yet answered, in its order: the first is the one that runs. */
  private readonly executing: Executing[] = []
  /** Key of the block that this start found unfinished, until it has run to its end. */
  private before: string | undefined
  private hasDied = false
  private isClosed = false
  /** Hex hashes of bundles to keep out of fresh proposals. */
  readonly suspects: readonly string[]
  /** Hex hashes of the block that the process before was executing when it ended, whoever ended it. */
  readonly unfinished: readonly string[]

  constructor(path: string) {
    const found = readJournal(path)
    const isBlamed = found !== undefined && (found.state === 'died' || found.before === found.key)
    this.suspects = isBlamed ? found.bundles : []
    this.unfinished = found?.state === 'unfinished' ? found.bundles : []
    this.before = found?.key
    this.file = openForWriting(path)
  }

  /**
   * Executes and remembers meanwhile what is being executed. Answered or refused, it is over; only what a
   * dead thread took with it stays in the file. Call in the order in which the executor gets the blocks.
   */
  async during<T>(
    executor: { readonly isDead: boolean },
    payload: Uint8Array,
    run: () => Promise<T>,
  ): Promise<T> {
    const entry = this.begin(payload)
    try {
      return await run()
    } finally {
      if (!executor.isDead) this.end(entry)
    }
  }

  begin(payloadBytes: Uint8Array): Executing {
    const payload = decodePayload(payloadBytes)
    const bundles = payload.ok
      ? payload.value.lanes.flat().map((bundle) => bytesToHex(sha256(bundle)))
      : /* refused before anything of it runs */ []
    const entry = { key: bytesToHex(sha256(utf8(bundles.join('\n')))), bundles }
    this.executing.push(entry)
    if (this.executing.length === 1) this.write('unfinished')
    return entry
  }

  /** This block has been answered, whatever the answer. */
  end(entry: Executing): void {
    const place = this.executing.indexOf(entry)
    if (place < 0) return
    this.executing.splice(place, 1)
    if (entry.key === this.before) this.before = undefined
    if (place === 0) this.write('unfinished')
  }

  /** Hex hashes of the block that runs now. */
  get running(): readonly string[] {
    return this.executing[0]?.bundles ?? []
  }

  /** The thread died, or was ended by the watchdog, while it executed: remembered before the process ends. */
  executorDied(): void {
    this.hasDied = true
    this.write('died')
  }

  /** Leaves what is unfinished in the file, for the next start to find. */
  close(): void {
    if (!this.isClosed) closeSync(this.file)
    this.isClosed = true
  }

  private write(state: State): void {
    if (this.isClosed || (this.hasDied && state !== 'died')) return
    // First empty, so that no tail of a longer block before is read as part of this one.
    ftruncateSync(this.file, 0)
    const [running] = this.executing
    if (!running || running.bundles.length === 0) return
    const lines = [`${state} ${running.key}`, `before ${this.before ?? ''}`, ...running.bundles]
    writeSync(this.file, lines.join('\n'), 0)
  }
}

function readJournal(path: string): Found | undefined {
  const [head, before, ...bundles] = linesOf(path)
  const match = headPattern.exec(head ?? '')
  if (!match) return undefined
  return {
    state: match[1] as State,
    key: match[2],
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
