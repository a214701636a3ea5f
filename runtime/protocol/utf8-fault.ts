// Where bytes stop being UTF-8, for sentences about them. Whether they are UTF-8 is `utf8ToText`'s to say.
// Source: The Unicode Standard 16.0, table 3-7, "Well-Formed UTF-8 Byte Sequences".

/** Offset of the first byte of the first sequence that is not well formed; undefined when there is none. */
export function utf8FaultAt(bytes: Uint8Array): number | undefined {
  let at = 0
  while (at < bytes.length) {
    const byteCount = sequenceBytes(bytes[at])
    if (byteCount === 0 || at + byteCount > bytes.length || !continues(bytes, at, byteCount)) return at
    at += byteCount
  }
  return undefined
}

/** 0 for a byte that begins none. */
function sequenceBytes(lead: number): number {
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return 0
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

function continues(bytes: Uint8Array, at: number, byteCount: number): boolean {
  for (let index = 1; index < byteCount; index += 1) {
    const [low, high] = index === 1 ? secondRange(bytes[at]) : [0x80, 0xbf]
    const byte = bytes[at + index]
    if (byte < low || byte > high) return false
  }
  return true
}

/** Bounds of the second byte: none that is longer than need be, no surrogates, nothing above U+10FFFF. */
function secondRange(lead: number): [low: number, high: number] {
  if (lead === 0xe0) return [0xa0, 0xbf]
  if (lead === 0xed) return [0x80, 0x9f]
  if (lead === 0xf0) return [0x90, 0xbf]
  return lead === 0xf4 ? [0x80, 0x8f] : [0x80, 0xbf]
}
