// Faults of a malformed text as binaries. The assembler never makes a binary of such a text, so the fault is
// put into one by hand wherever a binary can have it: then our own reader has to find it. Beside each stands
// the same module without its fault, which must be admitted: nothing else may be what is refused.

import type { Assembler } from './assembler.js'
import { atomText, headOf, parseWast, type WastForm, type WastList } from './wast-forms.js'

export interface FaultyBinary {
  readonly faulty: Uint8Array
  readonly sound: Uint8Array
}

/** Faults that only a text can have: a binary holds no words, names of indices, or alignments but powers. */
const textOnlyFaults: readonly string[] = [
  'unknown operator',
  'unexpected token',
  'alignment',
  'constant out of range',
  'inline function type',
  'mismatching label',
  'unknown label',
  'unknown type',
  'duplicate func',
  'duplicate local',
  'duplicate global',
  'duplicate memory',
  'duplicate table',
]

/** The script's word for a fault that binaries cannot have. */
export const textOnlyFault = (fault: string): string | undefined =>
  textOnlyFaults.find((known) => fault === known)

/** The fault of a malformed text in a binary, or undefined where it cannot be in one. */
export function faultyBinary(
  text: Uint8Array,
  fault: string,
  assembler: Assembler,
): FaultyBinary | undefined {
  const source = Buffer.from(text).toString('latin1')
  if (fault === 'malformed UTF-8 encoding') return withBytesOfName(source, assembler)
  if (fault.startsWith('import after')) return withLateImports(source, assembler)
  if (fault === 'multiple start sections') return withSecondStart(source, assembler)
  if (fault.endsWith('constant out of range')) return withWideInteger(source)
  return undefined
}

function assembled(source: string, assembler: Assembler): Buffer {
  const binary = assembler.assembleStrictly(Buffer.from(source, 'latin1'))
  if (binary === undefined) throw new Error(`the assembler refuses the sound text: ${source}`)
  return Buffer.from(binary)
}

/** The bytes that the text escapes, in place of a plain name of the same length. */
function withBytesOfName(source: string, assembler: Assembler): FaultyBinary | undefined {
  const escaped = /"((?:\\[0-9a-fA-F]{2})+)"/.exec(source)
  if (escaped === null) return undefined
  const name = Buffer.from(escaped[1].replaceAll('\\', ''), 'hex')
  const placeholder = 'q'.repeat(name.length)
  const sound = assembled(source.replace(escaped[0], `"${placeholder}"`), assembler)
  const at = sound.indexOf(placeholder)
  if (at < 0 || sound.includes(placeholder, at + 1)) throw new Error('the name has no place of its own')
  const faulty = Buffer.from(sound)
  name.copy(faulty, at)
  return { faulty, sound }
}

/** Imports first, as the assembler wants them; then their section behind all that may follow it. */
function withLateImports(source: string, assembler: Assembler): FaultyBinary {
  const forms = parseWast(Buffer.from(source, 'latin1'))
  const imports = forms.filter((form) => headOf(form) === 'import')
  const rest = forms.filter((form) => headOf(form) !== 'import')
  const textOf = ({ start, end }: WastList): string => source.slice(start, end)
  // A second memory is a fault of its own: only the order is to be found.
  const hasMemory = rest.some((form) => headOf(form) === 'memory')
  const imported = imports.map((form) =>
    hasMemory ? textOf(form).replace(/\(memory[^()]*\)/, '(func)') : textOf(form),
  )
  const sound = assembled([...imported, ...rest.map(textOf)].join(' '), assembler)
  const sections = sectionsOf(sound)
  const isImport = (section: Buffer): boolean => section[0] === 2
  const isBefore = (section: Buffer): boolean => section[0] < 7 && !isImport(section)
  const moved = [
    ...sections.filter(isBefore),
    ...sections.filter(isImport),
    ...sections.filter((section) => section[0] >= 7),
  ]
  return { faulty: Buffer.concat([sound.subarray(0, 8), ...moved]), sound }
}

function withSecondStart(source: string, assembler: Assembler): FaultyBinary {
  const sound = assembled(source.replace(/\(start [^()]*\)(?=[^()]*\)?\s*$)/, ''), assembler)
  const sections = sectionsOf(sound).flatMap((section) =>
    section[0] === 8 ? [section, section] : [section],
  )
  return { faulty: Buffer.concat([sound.subarray(0, 8), ...sections]), sound }
}

/** Sections with their headers. */
function sectionsOf(binary: Buffer): Buffer[] {
  const sections: Buffer[] = []
  let at = 8
  while (at < binary.length) {
    let [length, shift, body] = [0, 0, at + 1]
    do {
      length += (binary[body] & 0x7f) * 2 ** shift
      shift += 7
    } while (binary[body++] >= 0x80)
    sections.push(binary.subarray(at, body + length))
    at = body + length
  }
  return sections
}

/** An integer of more bits than its place has: limits of a memory or table, or a constant. */
function withWideInteger(source: string): FaultyBinary | undefined {
  const [form] = parseWast(Buffer.from(source, 'latin1'))
  if (form === undefined) return undefined
  const head = headOf(form)
  if (head === 'memory' || head === 'table') {
    const limits = form.items.map(integerOf).filter((value) => value !== undefined)
    return {
      faulty: limitsModule(head, limits),
      sound: limitsModule(
        head,
        limits.map(() => 1n),
      ),
    }
  }
  const constant = form.items[1]
  const value = constant?.kind === 'list' ? integerOf(constant.items[1]) : undefined
  const opcode = { 'i32.const': 0x41, 'i64.const': 0x42 }[headOf(constant)]
  if (value === undefined || opcode === undefined) return undefined
  return { faulty: constantModule(opcode, value), sound: constantModule(opcode, -1n) }
}

function integerOf(form: WastForm | undefined): bigint | undefined {
  const text = atomText(form)?.replaceAll('_', '') ?? ''
  if (!/^[+-]?(?:0x[0-9a-f]+|[0-9]+)$/i.test(text)) return undefined
  const value = BigInt(text.replace(/^[+-]/, ''))
  return text.startsWith('-') ? -value : value
}

const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

const section = (id: number, content: number[]): number[] => [id, content.length, ...content]

function limitsModule(kind: 'memory' | 'table', limits: readonly bigint[]): Uint8Array {
  const values = limits.flatMap((value) => leb(value, false))
  const content = [1, ...(kind === 'table' ? [0x70] : []), limits.length - 1, ...values]
  return Uint8Array.from([...magic, ...section(kind === 'table' ? 4 : 5, content)])
}

function constantModule(opcode: number, value: bigint): Uint8Array {
  const body = [0, opcode, ...leb(value, true), 0x1a, 0x0b]
  const sections = [section(1, [1, 0x60, 0, 0]), section(3, [1, 0]), section(10, [1, body.length, ...body])]
  return Uint8Array.from([...magic, ...sections.flat()])
}

/** LEB128 of an integer of any width. */
function leb(value: bigint, isSigned: boolean): number[] {
  const bytes: number[] = []
  let rest = value
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const isSignDone = isSigned && (low & 0x40) !== 0 ? rest === -1n : rest === 0n
    if (isSignDone) return [...bytes, low]
    bytes.push(low | 0x80)
  }
}
