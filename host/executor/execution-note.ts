// What the executor thread is running right now, told without a message: memory that both threads share,
// readable by the main thread after the other has died. The same bytes are written to a small open file at
// every change (1 µs, no sync: it has to survive the end of a process, not of a machine), so that the next
// start knows it when the engine ended the whole process. Ids and names only: nothing of a patient.
//
// Layout of the note: u8 1 while a contract runs | u8 depth | u64 LE height | transaction id 32 | id of what
// led to it 32 | contract address 32 | u8 length and alias (64) | u8 length and method (64).
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { openForWriting } from '../store/engine-error.js'
import { bytesToHex } from '../../runtime/protocol/index.js'
import type { FrameStart } from '../../runtime/execution/index.js'

const nameBytes = 64
const place = {
  ...{ depth: 1, height: 2, transaction: 10, cause: 42 },
  address: 74,
  alias: 106,
  method: 171,
}
const noteBytes = place.method + 1 + nameBytes

/** What ran when the thread stopped answering. */
export interface RunningFrame {
  height: number
  /** Hex; '' while a view ran or a module was made ready: no transaction. */
  transaction: string
  /** Hex id of the signed transaction, or of the earlier run, that led to it; '' when there is none. */
  cause: string
  /** `vendor/name`, and the hex address of the version. */
  contract: string
  address: string
  method: string
  depth: number
}

export function createNoteMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(noteBytes)
}

/** Names that are kept encoded. */
const namesMax = 4_096

/** The executor thread's side. Cheap: it is told twice for every call between contracts. */
export class ExecutionNote {
  private readonly shared: Uint8Array
  /** The same in memory of this thread alone, which can be written to a file as it is. */
  private readonly bytes = new Uint8Array(noteBytes)
  private readonly view = new DataView(this.bytes.buffer)
  private readonly file: number | undefined
  private readonly names = new Map<string, Uint8Array>()
  private height = -1

  constructor(memory: SharedArrayBuffer, path: string | undefined) {
    this.shared = new Uint8Array(memory)
    this.file = path === undefined ? undefined : openForWriting(path)
    // Its room on the disk is taken now, not when something runs.
    this.write(noteBytes)
  }

  /** A frame begins to run or goes on after what it called has ended; undefined: no contract runs. */
  tell(frame: FrameStart | undefined): void {
    const { bytes } = this
    if (frame === undefined) {
      if (bytes[0] === 0) return
      bytes[0] = 0
      this.shared[0] = 0
      return this.write(1)
    }
    bytes[0] = 1
    bytes[place.depth] = frame.depth
    if (frame.height !== this.height) {
      this.height = frame.height
      this.view.setBigUint64(place.height, BigInt(frame.height), true)
    }
    bytes.set(frame.transactionId, place.transaction)
    bytes.set(frame.cause, place.cause)
    bytes.set(frame.address, place.address)
    bytes.set(this.namesOf(frame.alias, frame.method), place.alias)
    this.shared.set(bytes)
    this.write(noteBytes)
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file)
  }

  /** A disk that refuses it must not end what runs: then the next start knows less. */
  private write(byteCount: number): void {
    if (this.file === undefined) return
    try {
      writeSync(this.file, this.bytes, 0, byteCount, 0)
    } catch {
      // What is in the file may be older than what runs: who reads it compares heights.
    }
  }

  private namesOf(alias: string, method: string): Uint8Array {
    const key = `${alias}.${method}`
    const kept = this.names.get(key)
    if (kept !== undefined) return kept
    const names = new Uint8Array(2 * (1 + nameBytes))
    writeName(names, 0, alias)
    writeName(names, 1 + nameBytes, method)
    if (this.names.size >= namesMax) this.names.clear()
    this.names.set(key, names)
    return names
  }
}

function writeName(bytes: Uint8Array, at: number, text: string): void {
  const length = Math.min(text.length, nameBytes)
  bytes[at] = length
  for (let index = 0; index < length; index += 1) bytes[at + 1 + index] = text.charCodeAt(index)
}

/** Main thread's side: undefined when no contract was running. */
export function readNote(memory: SharedArrayBuffer): RunningFrame | undefined {
  return decodeNote(new Uint8Array(memory).slice())
}

/** What an earlier process was running when it ended; undefined when no contract ran. */
export function readNoteFile(path: string): RunningFrame | undefined {
  try {
    return decodeNote(readFileSync(path))
  } catch {
    return undefined
  }
}

function decodeNote(bytes: Uint8Array): RunningFrame | undefined {
  if (bytes.length < noteBytes || bytes[0] !== 1) return undefined
  const id = (at: number): string => bytesToHex(bytes.subarray(at, at + 32))
  const idOrNone = (at: number): string => (/[1-9a-f]/.test(id(at)) ? id(at) : '')
  const name = (at: number): string =>
    Buffer.from(bytes.subarray(at + 1, at + 1 + Math.min(bytes[at], nameBytes))).toString('latin1')
  return {
    height: Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(place.height, true)),
    transaction: idOrNone(place.transaction),
    cause: idOrNone(place.cause),
    contract: name(place.alias),
    address: id(place.address),
    method: name(place.method),
    depth: bytes[place.depth],
  }
}
