// Joins the data segments of a compiled module. The compiler's memory packing cuts the memory image at
// every run of zeros, two pieces for each string constant; a rule with some hundred strings would pass the
// node's limit of 512 segments, and each piece costs at instantiation. The memory after instantiation is
// the same.

/** Pieces closer than this are joined; the zeros between them are written out. */
const gapBytesMax = 64
const dataSection = 11
const dataCountSection = 12

interface Segment {
  offset: number
  bytes: Uint8Array
}

/**
 * The same module with joined segments. Leaves a module alone whose segments are not plain, ascending and
 * active.
 */
export function mergeDataSegments(module: Uint8Array): Uint8Array {
  const sections = splitSections(module)
  const data = sections.find(({ id }) => id === dataSection)
  const segments = data === undefined ? undefined : readSegments(data.content)
  if (segments === undefined) return module
  const joined = joinSegments(segments)
  const parts: number[][] = [[...module.subarray(0, 8)]]
  for (const { id, content } of sections) {
    let body: number[] = [...content]
    if (id === dataSection) body = encodeSegments(joined)
    if (id === dataCountSection) body = unsigned(joined.length)
    parts.push([id, ...unsigned(body.length), ...body])
  }
  return Uint8Array.from(parts.flat())
}

function splitSections(module: Uint8Array): { id: number; content: Uint8Array }[] {
  const sections: { id: number; content: Uint8Array }[] = []
  let offset = 8
  while (offset < module.length) {
    const id = module[offset]
    const [length, start] = readUnsigned(module, offset + 1)
    sections.push({ id, content: module.subarray(start, start + length) })
    offset = start + length
  }
  return sections
}

/** Active segments of memory 0 at constant, ascending places; undefined when any is not. */
function readSegments(content: Uint8Array): Segment[] | undefined {
  let [count, offset] = readUnsigned(content, 0)
  const segments: Segment[] = []
  for (; count > 0; count -= 1) {
    // Flag 0, i32.const, end.
    if (content[offset] !== 0 || content[offset + 1] !== 0x41) return undefined
    const [place, afterPlace] = readSigned(content, offset + 2)
    if (content[afterPlace] !== 0x0b) return undefined
    const [length, start] = readUnsigned(content, afterPlace + 1)
    const last = segments.at(-1)
    if (place < 0 || (last !== undefined && place < last.offset + last.bytes.length)) return undefined
    segments.push({ offset: place, bytes: content.subarray(start, start + length) })
    offset = start + length
  }
  return segments
}

function joinSegments(segments: readonly Segment[]): Segment[] {
  const joined: Segment[] = []
  for (const segment of segments) {
    const last = joined.at(-1)
    const gap = last === undefined ? Infinity : segment.offset - last.offset - last.bytes.length
    if (last === undefined || gap > gapBytesMax) {
      joined.push({ ...segment })
      continue
    }
    const bytes = new Uint8Array(last.bytes.length + gap + segment.bytes.length)
    bytes.set(last.bytes)
    bytes.set(segment.bytes, last.bytes.length + gap)
    last.bytes = bytes
  }
  return joined
}

function encodeSegments(segments: readonly Segment[]): number[] {
  const items = segments.map(({ offset, bytes }) => [
    0,
    0x41,
    ...signed(offset),
    0x0b,
    ...unsigned(bytes.length),
    ...bytes,
  ])
  return [...unsigned(segments.length), ...items.flat()]
}

/** LEB128; returns the value and where the next byte is. */
function readUnsigned(bytes: Uint8Array, start: number): [value: number, next: number] {
  let value = 0
  let offset = start
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[offset]
    offset += 1
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return [value, offset]
  }
}

function readSigned(bytes: Uint8Array, start: number): [value: number, next: number] {
  const [value, next] = readUnsigned(bytes, start)
  const bits = (next - start) * 7
  return [(bytes[next - 1] & 0x40) !== 0 ? value - 2 ** bits : value, next]
}

function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return bytes
}

/** Places are not negative, so only the sign bit of the last byte must stay clear. */
function signed(value: number): number[] {
  const bytes = unsigned(value)
  const last = bytes[bytes.length - 1]
  if ((last & 0x40) === 0) return bytes
  bytes[bytes.length - 1] = last | 0x80
  return [...bytes, 0]
}
