// HL7 v2 escape sequences (chapter 2, "use of escape sequences in text fields"), decoded once and only
// once: the raw text stays beside the decoded one.
import { decodeText, type Charset } from './charset.js'

export interface Delimiters {
  readonly field: string
  readonly component: string
  readonly repetition: string
  readonly escape: string
  readonly subcomponent: string
  /** Fifth character of MSH-2, since version 2.7. */
  readonly truncation: string | undefined
}

export const defaultDelimiters: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: undefined,
}

/**
 * Decodes \F\ \S\ \T\ \R\ \E\ \P\ to the delimiter they stand for, \Xhh..\ to characters, \.br\ and its kin
 * to line feeds, \H\ and \N\ (highlighting) to nothing. Any other sequence, and an escape character without
 * its partner, stays as it was sent: a guess would change what the sender said.
 */
export function decodeEscapes(raw: string, delimiters: Delimiters, charset: Charset): string {
  const { escape } = delimiters
  let at = raw.indexOf(escape)
  if (at < 0) return raw
  let text = raw.slice(0, at)
  while (at >= 0) {
    const end = raw.indexOf(escape, at + 1)
    if (end < 0) return text + raw.slice(at)
    const decoded = decodeSequence(raw.slice(at + 1, end), delimiters, charset)
    if (decoded === undefined) {
      // The closing character may open the next sequence (a lone escape before `\T\`): step over one
      // character only.
      text += escape
      const next = raw.indexOf(escape, at + 1)
      text += raw.slice(at + 1, next)
      at = next
    } else {
      const next = raw.indexOf(escape, end + 1)
      text += decoded + raw.slice(end + 1, next < 0 ? undefined : next)
      at = next
    }
  }
  return text
}

function decodeSequence(sequence: string, delimiters: Delimiters, charset: Charset): string | undefined {
  switch (sequence) {
    case 'F':
      return delimiters.field
    case 'S':
      return delimiters.component
    case 'T':
      return delimiters.subcomponent
    case 'R':
      return delimiters.repetition
    case 'E':
      return delimiters.escape
    case 'P':
      return delimiters.truncation
    case 'H':
    case 'N':
      return ''
    default:
      return /^X(?:[0-9A-Fa-f]{2})+$/.test(sequence)
        ? decodeHex(sequence.slice(1), charset)
        : decodeLayout(sequence)
  }
}

// \X0D\ and the like: bytes of the message's own character set; invalid ones leave the sequence as it was.
function decodeHex(hex: string, charset: Charset): string | undefined {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  return decodeText(bytes, charset)
}

// Formatting commands of FT fields. Those that end a line become a line feed, the others are layout only.
function decodeLayout(sequence: string): string | undefined {
  const command = /^\.(br|sp|ce|fi|nf|in|ti|sk)([+-]?\d{1,3})?$/.exec(sequence)
  if (command === null) return undefined
  switch (command[1]) {
    case 'br':
    case 'ce':
      return '\n'
    case 'sp':
      return '\n'.repeat(Math.max(1, Math.min(20, Number(command[2] ?? '1'))))
    case 'sk':
      return ' '.repeat(Math.max(1, Math.min(80, Number(command[2] ?? '1'))))
    default:
      return ''
  }
}

/** Escapes text for a field, so that none of it reads as a delimiter or ends the segment. */
export function encodeEscapes(text: string, delimiters: Delimiters): string {
  let raw = ''
  for (const character of text) raw += escaped(character, delimiters)
  return raw
}

function escaped(character: string, delimiters: Delimiters): string {
  const { escape } = delimiters
  switch (character) {
    case delimiters.field:
      return `${escape}F${escape}`
    case delimiters.component:
      return `${escape}S${escape}`
    case delimiters.subcomponent:
      return `${escape}T${escape}`
    case delimiters.repetition:
      return `${escape}R${escape}`
    case escape:
      return `${escape}E${escape}`
    case '\n':
      return `${escape}.br${escape}`
    default: {
      // CR would end the segment, VT and FS the frame.
      const point = character.codePointAt(0) ?? 0
      return point < 0x20
        ? `${escape}X${point.toString(16).toUpperCase().padStart(2, '0')}${escape}`
        : character
    }
  }
}
