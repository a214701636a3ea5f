// Who calls, when, and why; the argument and the answer of this entry.
import { bytesEqual, isZero, pointer, slice, Bytes } from './bytes'
import { Reader, Writer } from './borsh'
import { context_read, event_emit, fuel_left, input_len, input_read, log_write, return_set } from './env'
import { utf8 } from './bytes'

/** What started this entry. */
export enum Trigger {
  Call = 0,
  Record = 1,
  Timer = 2,
  View = 3,
  Genesis = 4,
}

const CONTEXT_BYTES: i32 = 184

export class Context {
  private bytes: Bytes = new StaticArray<u8>(CONTEXT_BYTES)

  constructor() {
    context_read(pointer(this.bytes))
  }

  get height(): u64 {
    return load<u64>(pointer(this.bytes))
  }

  /** Block time, ms since 1970 UTC. The only time there is. */
  get time(): u64 {
    return load<u64>(pointer(this.bytes), 8)
  }

  get transaction(): Bytes {
    return slice(this.bytes, 16, 32)
  }

  /** Entity that called this method: a person, a source, or the contract entity of a caller. */
  get caller(): Bytes {
    return slice(this.bytes, 48, 32)
  }

  /** Entity that signed the transaction. */
  get origin(): Bytes {
    return slice(this.bytes, 80, 32)
  }

  /** Address of the version that runs. */
  get ownAddress(): Bytes {
    return slice(this.bytes, 112, 32)
  }

  /** This contract's identity, whatever its version. */
  get ownEntity(): Bytes {
    return slice(this.bytes, 144, 32)
  }

  get trigger(): u8 {
    return load<u8>(pointer(this.bytes), 176)
  }

  /** 0 when the kernel entered this frame, 1 and more when another contract did. */
  get depth(): u8 {
    return load<u8>(pointer(this.bytes), 177)
  }

  get readOnly(): bool {
    return load<u8>(pointer(this.bytes), 178) != 0
  }

  /** The kernel itself asks: alerts that rules raise, policy questions, genesis. */
  get calledByKernel(): bool {
    return isZero(this.caller)
  }

  isCaller(entity: Bytes): bool {
    return bytesEqual(this.caller, entity)
  }
}

/** The argument of this entry. */
export function input(): Reader {
  const bytes = new StaticArray<u8>(input_len())
  if (bytes.length > 0) input_read(pointer(bytes))
  return new Reader(bytes)
}

/** Sets the answer of this entry. */
export function answer(writer: Writer): void {
  const bytes = writer.finish()
  return_set(pointer(bytes), bytes.length)
}

/**
 * Announces something to screens and gateways. Ids and codes only: events are in receipts, which everyone
 * keeps.
 */
export function emitEvent(topic: string, content: Writer): void {
  const name = utf8(topic)
  const bytes = content.finish()
  event_emit(pointer(name), name.length, pointer(bytes), bytes.length)
}

/** Developer log without any effect. */
export function log(text: string): void {
  const bytes = utf8(text)
  log_write(pointer(bytes), bytes.length)
}

export function fuelLeft(): i64 {
  return fuel_left()
}
