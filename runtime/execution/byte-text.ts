// Bytes as a string of the same order, one char a byte: keys of Maps on the hot path.

/** An engine takes only so many arguments at once. */
const chunkBytes = 4_096

/** Most are ids and keys; `apply` on the typed array avoids its iterator (3 times as fast). */
export function byteText(bytes: Uint8Array): string {
  if (bytes.length <= chunkBytes) return String.fromCharCode.apply(null, bytes as unknown as number[])
  let text = ''
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    text += byteText(bytes.subarray(start, start + chunkBytes))
  }
  return text
}

/** Bytes of text that is known to be ASCII: aliases, methods, codes, domains. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index)
  return bytes
}
