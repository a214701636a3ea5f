// Borsh (borsh.io), the encoding of arguments, returns, state values and record bodies: little-endian, u32
// length in front of text, bytes and lists. Every length has a cap, so that a lie in the input cannot make
// us allocate.
import { pointer, Bytes } from './bytes'
import { ARGUMENT_INVALID } from './codes'
import { refuse } from './env'

/** Longest text or byte string that is read unless a caller says otherwise. */
export const TEXT_BYTES_MAX: i32 = 4096
/** Longest list that is read unless a caller says otherwise. */
export const LIST_ITEMS_MAX: i32 = 1024

/** What a lenient reader gives where bytes are missing. */
const zeros: Bytes = new StaticArray<u8>(32)

/**
 * Strict unless told otherwise: an argument that does not fit reverts the frame. A lenient reader is for
 * record bodies, which anyone with a grant may have written: it gives zeros, and `isBroken` says so. One
 * malformed body must not silence a rule for its patient.
 */
export class Reader {
  /** Bytes were missing, or a list was longer than allowed. */
  isBroken: bool = false
  private offset: i32 = 0

  constructor(
    private bytes: Bytes,
    private isLenient: bool = false,
  ) {}

  get remaining(): i32 {
    return this.bytes.length - this.offset
  }

  /** Moves past `count` bytes and returns where they begin. */
  private take(count: i32): usize {
    if (count < 0 || count > this.remaining) {
      if (!this.isLenient) refuse(ARGUMENT_INVALID, 'bytes missing')
      this.isBroken = true
      this.offset = this.bytes.length
      assert(count <= zeros.length, 'a lenient reader takes lengths from `count`')
      return pointer(zeros)
    }
    const at = pointer(this.bytes) + this.offset
    this.offset += count
    return at
  }

  u8(): u8 {
    return load<u8>(this.take(1))
  }

  u16(): u16 {
    return load<u16>(this.take(2))
  }

  u32(): u32 {
    return load<u32>(this.take(4))
  }

  i32(): i32 {
    return load<i32>(this.take(4))
  }

  u64(): u64 {
    return load<u64>(this.take(8))
  }

  i64(): i64 {
    return load<i64>(this.take(8))
  }

  bool(): bool {
    const flag = this.u8()
    if (flag > 1) refuse(ARGUMENT_INVALID, 'flag expected')
    return flag == 1
  }

  fixed(count: i32): Bytes {
    const at = this.take(count)
    const part = new StaticArray<u8>(count)
    memory.copy(pointer(part), at, count)
    return part
  }

  /** A list's count, or a text's or byte string's length. */
  count(max: i32 = LIST_ITEMS_MAX): i32 {
    const count = this.u32()
    if (this.isLenient) return this.lenientCount(count, max)
    if (count > (max as u32)) refuse(ARGUMENT_INVALID, 'longer than allowed')
    return count as i32
  }

  /** Every item takes at least one byte, so a count beyond the rest is a lie. */
  private lenientCount(count: u32, max: i32): i32 {
    if (count <= (max as u32) && count <= (this.remaining as u32)) return count as i32
    this.isBroken = true
    this.offset = this.bytes.length
    return 0
  }

  /** At most `max` bytes of a text of any length; the rest is passed over. */
  cutText(max: i32): string {
    const length = this.count(i32.MAX_VALUE)
    const at = this.take(length)
    return String.UTF8.decodeUnsafe(at, min(length, max))
  }

  bytesValue(max: i32 = TEXT_BYTES_MAX): Bytes {
    return this.fixed(this.count(max))
  }

  text(max: i32 = TEXT_BYTES_MAX): string {
    const length = this.count(max)
    return String.UTF8.decodeUnsafe(this.take(length), length)
  }

  texts(max: i32 = LIST_ITEMS_MAX, textMax: i32 = TEXT_BYTES_MAX): string[] {
    const count = this.count(max)
    const list: string[] = []
    for (let index = 0; index < count; index++) list.push(this.text(textMax))
    return list
  }

  /** Moves past a text and says whether it is this one: no copy, for look-ups that run for every record. */
  textEquals(other: Bytes): bool {
    const length = this.count(TEXT_BYTES_MAX)
    const at = this.take(length)
    return length == other.length && memory.compare(at, pointer(other), length) == 0
  }

  option(count: i32): Bytes | null {
    return this.bool() ? this.fixed(count) : null
  }

  /** Everything that has not been read, without moving. */
  rest(): Bytes {
    const part = new StaticArray<u8>(this.remaining)
    memory.copy(pointer(part), pointer(this.bytes) + this.offset, part.length)
    return part
  }

  /** Refuses bytes left over: every value has one encoding. */
  end(): void {
    if (this.remaining != 0) refuse(ARGUMENT_INVALID, 'bytes left over')
  }
}

export class Writer {
  private buffer: Bytes = new StaticArray<u8>(256)
  private used: i32 = 0

  private reserve(count: i32): usize {
    const start = this.used
    this.used += count
    if (this.used > this.buffer.length) {
      const grown = new StaticArray<u8>(max(this.buffer.length * 2, this.used))
      memory.copy(pointer(grown), pointer(this.buffer), start)
      this.buffer = grown
    }
    return pointer(this.buffer) + start
  }

  u8(value: u8): Writer {
    store<u8>(this.reserve(1), value)
    return this
  }

  u16(value: u16): Writer {
    store<u16>(this.reserve(2), value)
    return this
  }

  u32(value: u32): Writer {
    store<u32>(this.reserve(4), value)
    return this
  }

  i32(value: i32): Writer {
    store<i32>(this.reserve(4), value)
    return this
  }

  u64(value: u64): Writer {
    store<u64>(this.reserve(8), value)
    return this
  }

  i64(value: i64): Writer {
    store<i64>(this.reserve(8), value)
    return this
  }

  bool(value: bool): Writer {
    return this.u8(value ? 1 : 0)
  }

  /** Bytes of a length that the schema fixes. */
  fixed(bytes: Bytes): Writer {
    memory.copy(this.reserve(bytes.length), pointer(bytes), bytes.length)
    return this
  }

  bytesValue(bytes: Bytes): Writer {
    return this.u32(bytes.length).fixed(bytes)
  }

  text(text: string): Writer {
    const length = String.UTF8.byteLength(text)
    this.u32(length)
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.reserve(length))
    return this
  }

  texts(list: string[]): Writer {
    this.u32(list.length)
    for (let index = 0; index < list.length; index++) this.text(unchecked(list[index]))
    return this
  }

  option(bytes: Bytes | null): Writer {
    if (bytes === null) return this.bool(false)
    return this.bool(true).fixed(bytes)
  }

  finish(): Bytes {
    const bytes = new StaticArray<u8>(this.used)
    memory.copy(pointer(bytes), pointer(this.buffer), this.used)
    return bytes
  }
}
