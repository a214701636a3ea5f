// Several byte strings in one record: count u32 BE | (length u32 BE | bytes)*.

export function encodeParts(parts: readonly Uint8Array[]): Uint8Array {
  let byteCount = 4
  for (const part of parts) byteCount += 4 + part.length
  const bytes = new Uint8Array(byteCount)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, parts.length)
  let offset = 4
  for (const part of parts) {
    view.setUint32(offset, part.length)
    bytes.set(part, offset + 4)
    offset += 4 + part.length
  }
  return bytes
}

/** Only bytes that authenticated get here, so a wrong shape is our own bug. */
export function decodeParts(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts: Uint8Array[] = []
  let offset = 4
  for (let count = view.getUint32(0); count > 0; count -= 1) {
    const length = view.getUint32(offset)
    parts.push(bytes.subarray(offset + 4, offset + 4 + length))
    offset += 4 + length
  }
  if (offset !== bytes.length) throw new RangeError('parts do not fill their record')
  return parts
}
