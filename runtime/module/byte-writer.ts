// A growing byte buffer with the encodings of the binary format. Integers are written in their shortest
// form, so the output depends on the input alone.

export interface ByteWriter {
  bytes: Uint8Array
  length: number
}

export function createByteWriter(capacity = 1024): ByteWriter {
  return { bytes: new Uint8Array(capacity), length: 0 }
}

function reserve(writer: ByteWriter, count: number): void {
  const needed = writer.length + count
  if (needed <= writer.bytes.length) return
  const grown = new Uint8Array(Math.max(needed, writer.bytes.length * 2))
  grown.set(writer.bytes.subarray(0, writer.length))
  writer.bytes = grown
}

export function writeByte(writer: ByteWriter, byte: number): void {
  reserve(writer, 1)
  writer.bytes[writer.length++] = byte
}

export function writeBytes(writer: ByteWriter, bytes: ArrayLike<number>): void {
  reserve(writer, bytes.length)
  writer.bytes.set(bytes, writer.length)
  writer.length += bytes.length
}

/** Copies a range; short ones by hand, for most pieces between two insertions are a few bytes. */
export function writeRange(writer: ByteWriter, source: Uint8Array, start: number, end: number): void {
  const count = end - start
  reserve(writer, count)
  if (count > 32) writer.bytes.set(source.subarray(start, end), writer.length)
  else
    for (let index = 0; index < count; index++) writer.bytes[writer.length + index] = source[start + index]!
  writer.length += count
}

export function writeU32(writer: ByteWriter, value: number): void {
  reserve(writer, 5)
  let rest = value
  while (rest >= 0x80) {
    writer.bytes[writer.length++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  writer.bytes[writer.length++] = rest
}

/** Signed LEB128 of a safe integer: the form of i32 and i64 constants. */
export function writeSigned(writer: ByteWriter, value: number): void {
  reserve(writer, 10)
  let rest = value
  for (;;) {
    const low = ((rest % 0x80) + 0x80) % 0x80
    rest = Math.floor((rest - low) / 0x80)
    const isLast = (rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40)
    writer.bytes[writer.length++] = isLast ? low : low | 0x80
    if (isLast) return
  }
}

/** An ASCII name with its length. */
export function writeName(writer: ByteWriter, name: string): void {
  writeU32(writer, name.length)
  for (let index = 0; index < name.length; index++) writeByte(writer, name.charCodeAt(index))
}

export function takeBytes(writer: ByteWriter): Uint8Array {
  return writer.bytes.slice(0, writer.length)
}
