// What the executor thread is running right now, told without a message: memory that both threads share,
// readable by the main thread after the other has died. Each transaction is also written to a small file, so
// that the next start knows it when the whole process was ended by the engine. Ids and names only: nothing
// of a patient.
//
// Layout of the note: u8 1 while a frame runs | u8 depth | u64 LE height | transaction id 32 | contract
// address 32 | u8 length and alias (64) | u8 length and method (64).
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { openForWriting } from '../store/engine-error.js'
import { bytesToHex } from '../../runtime/protocol/index.js'
import type { FrameStart } from '../../runtime/execution/index.js'

const nameBytes = 64
const noteBytes = 10 + 32 + 32 + 2 * (1 + nameBytes)
const place = { depth: 1, height: 2, transaction: 10, address: 42, alias: 74, method: 139 } as const

/** What ran when the thread stopped answering. */
export interface RunningFrame {
  height: number
  /** Hex. */
  transaction: string
  /** `vendor/name`, and the hex address of the version. */
  contract: string
  address: string
  method: string
  depth: number
}

export function createNoteMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(noteBytes)
}

/** The executor thread's side. */
export class ExecutionNote {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly file: number | undefined

  constructor(memory: SharedArrayBuffer, path: string | undefined) {
    this.bytes = new Uint8Array(memory)
    this.view = new DataView(memory)
    this.file = path === undefined ? undefined : openForWriting(path)
  }

  /** A frame begins to run, or goes on after what it called has ended. */
  begin({ transactionId, height, alias, address, method, depth }: FrameStart): void {
    const { bytes } = this
    const isNew = depth === 0 && !isAt(bytes, place.transaction, transactionId)
    bytes[place.depth] = depth
    this.view.setBigUint64(place.height, BigInt(height), true)
    bytes.set(transactionId, place.transaction)
    bytes.set(address, place.address)
    this.writeName(place.alias, alias)
    this.writeName(place.method, method)
    bytes[0] = 1
    if (isNew && this.file !== undefined) writeSync(this.file, bytes.slice(), 0, noteBytes, 0)
  }

  /** The request was answered: nothing runs. */
  end(): void {
    this.bytes[0] = 0
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file)
  }

  private writeName(at: number, text: string): void {
    const length = Math.min(text.length, nameBytes)
    this.bytes[at] = length
    for (let index = 0; index < length; index += 1) this.bytes[at + 1 + index] = text.charCodeAt(index)
  }
}

function isAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  return bytes[0] === 1 && expected.every((byte, index) => bytes[at + index] === byte)
}

/** Main thread's side: undefined when no contract was running. */
export function readNote(memory: SharedArrayBuffer): RunningFrame | undefined {
  return decodeNote(new Uint8Array(memory).slice())
}

/** What an earlier process was running last; undefined when it had not run anything. */
export function readNoteFile(path: string): RunningFrame | undefined {
  try {
    return decodeNote(readFileSync(path))
  } catch {
    return undefined
  }
}

function decodeNote(bytes: Uint8Array): RunningFrame | undefined {
  if (bytes.length < noteBytes || bytes[0] !== 1) return undefined
  const name = (at: number): string =>
    Buffer.from(bytes.subarray(at + 1, at + 1 + Math.min(bytes[at], nameBytes))).toString('latin1')
  return {
    height: Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(place.height, true)),
    transaction: bytesToHex(bytes.subarray(place.transaction, place.transaction + 32)),
    contract: name(place.alias),
    address: bytesToHex(bytes.subarray(place.address, place.address + 32)),
    method: name(place.method),
    depth: bytes[place.depth],
  }
}
