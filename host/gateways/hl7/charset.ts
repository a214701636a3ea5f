// Text and bytes of a message, by MSH-18 (HL7 table 0211). Strict both ways: bytes that the declared
// character set does not have are refused, never replaced, and printing gives the same bytes again.
import { quoted, refuse, type Hl7Refusal } from './codes.js'

export type Charset = 'utf-8' | 'latin-1' | 'ascii'

const charsets: Readonly<Record<string, Charset>> = {
  // Absent means UTF-8 here (clinical.md section 7), which holds ASCII, the standard's default.
  '': 'utf-8',
  'UNICODE UTF-8': 'utf-8',
  'UTF-8': 'utf-8',
  UTF8: 'utf-8',
  ASCII: 'ascii',
  '8859/1': 'latin-1',
}

/**
 * The character set that MSH-18 names. Several (with ISO 2022 escapes between them) are refused.
 * @param field raw text of MSH-18.
 */
export function charsetOf(
  field: string,
  repetitionSeparator: string,
): { ok: true; charset: Charset } | Hl7Refusal {
  const names = field.split(repetitionSeparator)
  const charset = names.length === 1 ? charsets[field.trim().toUpperCase()] : undefined
  if (charset !== undefined) return { ok: true, charset }
  return refuse(
    'CHARSET_UNKNOWN',
    `The message declares the character set ${quoted(field)}; this gateway reads UNICODE UTF-8, 8859/1 and ASCII.` +
      ' Nothing was stored: send it in one of these and name it in MSH-18.',
    { segment: 'MSH', sequence: 1, field: 18 },
  )
}

const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes a whole message; undefined when a byte does not belong to the character set. */
export function decodeText(bytes: Uint8Array, charset: Charset): string | undefined {
  switch (charset) {
    case 'utf-8':
      try {
        return utf8Strict.decode(bytes)
      } catch {
        return undefined
      }
    case 'ascii':
      return bytes.some((byte) => byte > 0x7f) ? undefined : latin1(bytes)
    case 'latin-1':
      return latin1(bytes)
  }
}

// Not TextDecoder: its "iso-8859-1" is windows-1252, which moves 0x80..0x9F.
export const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** Encodes text; what the character set lacks becomes `?` (only our own answers can hold such text). */
export function encodeText(text: string, charset: Charset): Uint8Array {
  if (charset === 'utf-8') return new TextEncoder().encode(text)
  const limit = charset === 'ascii' ? 0x7f : 0xff
  return Uint8Array.from(text, (character) => {
    const point = character.codePointAt(0) ?? 0
    return point <= limit ? point : 0x3f
  })
}
