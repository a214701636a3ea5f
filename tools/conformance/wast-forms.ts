// Splits a `.wast` script into its forms. Positions are byte offsets, so that module texts go to the
// assembler untouched.

export interface WastList {
  readonly kind: 'list'
  readonly items: WastForm[]
  readonly start: number
  end: number
}

export interface WastAtom {
  readonly kind: 'atom'
  readonly text: string
  readonly start: number
}

export interface WastString {
  readonly kind: 'string'
  readonly bytes: Uint8Array
  readonly start: number
}

export type WastForm = WastList | WastAtom | WastString

/** All top-level forms. The script is read as bytes, one character each. */
export function parseWast(bytes: Uint8Array): WastList[] {
  const text = Buffer.from(bytes).toString('latin1')
  const root: WastList = { kind: 'list', items: [], start: 0, end: text.length }
  const open: WastList[] = [root]
  let position = 0
  while (position < text.length) {
    const char = text[position]
    const parent = open[open.length - 1]
    if (text.startsWith(';;', position)) position = skipLine(text, position)
    else if (text.startsWith('(;', position)) position = skipComment(text, position)
    else if (char === '(') {
      const list: WastList = { kind: 'list', items: [], start: position, end: 0 }
      parent.items.push(list)
      open.push(list)
      position++
    } else if (char === ')') {
      parent.end = ++position
      open.pop()
      if (open.length === 0) throw new Error(`unbalanced parenthesis at byte ${position}`)
    } else if (char === '"') position = readString(text, position, parent)
    else if (/\s/.test(char)) position++
    else position = readAtom(text, position, parent)
  }
  if (open.length !== 1) throw new Error('a form is not closed')
  return root.items.filter((form) => form.kind === 'list')
}

function skipLine(text: string, position: number): number {
  let end = position
  while (end < text.length && text[end] !== '\n' && text[end] !== '\r') end++
  return end
}

function skipComment(text: string, position: number): number {
  let depth = 0
  let at = position
  do {
    if (text.startsWith('(;', at)) {
      depth++
      at += 2
    } else if (text.startsWith(';)', at)) {
      depth--
      at += 2
    } else at++
  } while (depth > 0 && at < text.length)
  return at
}

function readAtom(text: string, position: number, parent: WastList): number {
  let end = position
  while (end < text.length && !/[\s()";]/.test(text[end])) end++
  parent.items.push({ kind: 'atom', text: text.slice(position, end), start: position })
  return Math.max(end, position + 1)
}

const simpleEscapes: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, '"': 34, "'": 39, '\\': 92 }

function readString(text: string, position: number, parent: WastList): number {
  const bytes: number[] = []
  let at = position + 1
  while (text[at] !== '"') {
    if (at >= text.length) throw new Error(`a string is not closed at byte ${position}`)
    if (text[at] !== '\\') {
      bytes.push(text.charCodeAt(at++))
      continue
    }
    const escape = text[at + 1]
    const simple = simpleEscapes[escape]
    if (simple !== undefined) {
      bytes.push(simple)
      at += 2
    } else if (escape === 'u') {
      const end = text.indexOf('}', at)
      const point = parseInt(text.slice(at + 3, end), 16)
      bytes.push(...Buffer.from(String.fromCodePoint(point), 'utf8'))
      at = end + 1
    } else {
      bytes.push(parseInt(text.slice(at + 1, at + 3), 16))
      at += 3
    }
  }
  parent.items.push({ kind: 'string', bytes: Uint8Array.from(bytes), start: position })
  return at + 1
}

/** The word a list begins with. */
export function headOf(form: WastForm | undefined): string {
  const first = form?.kind === 'list' ? form.items[0] : undefined
  return first?.kind === 'atom' ? first.text : ''
}

export function atomText(form: WastForm | undefined): string | undefined {
  return form?.kind === 'atom' ? form.text : undefined
}

/** A string form as text; names in scripts are valid UTF-8. */
export function stringText(form: WastForm | undefined): string {
  if (form?.kind !== 'string') throw new Error('a string is expected')
  return Buffer.from(form.bytes).toString('utf8')
}
