// The decoded form of a module. Indices follow the specification: imports come first in every index space.

/** Value types by their byte in the binary format (WebAssembly 2.0, section 5.3.1). */
export const I32 = 0x7f
export const I64 = 0x7e
export const F32 = 0x7d
export const F64 = 0x7c
export const FUNCREF = 0x70
export const EXTERNREF = 0x6f

export type ValueType =
  typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof FUNCREF | typeof EXTERNREF

export interface FunctionType {
  readonly parameters: readonly ValueType[]
  readonly results: readonly ValueType[]
}

export interface Limits {
  readonly minimum: number
  readonly maximum: number | undefined
}

export interface TableType {
  readonly element: ValueType
  readonly limits: Limits
  readonly offset: number
}

/** Limits in pages of 64 KiB. */
export interface MemoryType {
  readonly limits: Limits
  readonly offset: number
}

export interface GlobalType {
  readonly value: ValueType
  readonly mutable: boolean
}

/**
 * One instruction of a constant expression; `immediate` is an index or an i32; 0 for wider constants.
 */
export interface ConstantInstruction {
  readonly opcode: number
  readonly immediate: number
  readonly offset: number
}

export interface ConstantExpression {
  readonly instructions: readonly ConstantInstruction[]
  readonly offset: number
}

export interface GlobalDefinition extends GlobalType {
  /** Absent for an imported global. */
  readonly initial: ConstantExpression | undefined
  readonly offset: number
}

export const EXTERNAL_FUNCTION = 0
export const EXTERNAL_TABLE = 1
export const EXTERNAL_MEMORY = 2
export const EXTERNAL_GLOBAL = 3

export interface ModuleImport {
  readonly module: string
  readonly name: string
  readonly kind: number
  /** Type index of an imported function, otherwise 0. */
  readonly typeIndex: number
  readonly offset: number
}

export interface ModuleExport {
  readonly name: string
  readonly kind: number
  readonly index: number
  readonly offset: number
}

export type SegmentMode = 'active' | 'passive' | 'declarative'

export interface ElementSegment {
  readonly mode: SegmentMode
  readonly table: number
  readonly offsetExpression: ConstantExpression | undefined
  readonly element: ValueType
  readonly items: readonly ConstantExpression[]
  readonly offset: number
}

export interface DataSegment {
  readonly mode: SegmentMode
  readonly memory: number
  readonly offsetExpression: ConstantExpression | undefined
  readonly bytes: number
  readonly offset: number
}

export interface LocalGroup {
  readonly count: number
  readonly type: ValueType
}

/** A function body: all offsets are into the module's bytes. */
export interface FunctionBody {
  /** First byte after the body's length. */
  readonly start: number
  /** First byte of the local groups, after their count. */
  readonly localsStart: number
  readonly locals: readonly LocalGroup[]
  /** First instruction. */
  readonly codeStart: number
  readonly end: number
}

export interface SectionRange {
  readonly id: number
  /** First byte of the contents, after the length. */
  readonly start: number
  readonly end: number
  /** First byte after the leading count, for sections that are vectors. */
  readonly itemsStart: number
}

export interface CustomSection {
  readonly name: string
  readonly start: number
  readonly end: number
}

export interface WasmModule {
  readonly bytes: Uint8Array
  readonly sections: readonly SectionRange[]
  readonly types: readonly FunctionType[]
  readonly typeOffsets: readonly number[]
  readonly imports: readonly ModuleImport[]
  /** Type index of every function, imported ones first. */
  readonly functions: readonly number[]
  readonly functionsImported: number
  readonly tables: readonly TableType[]
  readonly tablesImported: number
  readonly memories: readonly MemoryType[]
  readonly memoriesImported: number
  readonly globals: readonly GlobalDefinition[]
  readonly globalsImported: number
  readonly exports: readonly ModuleExport[]
  readonly start: number | undefined
  readonly startOffset: number
  readonly elements: readonly ElementSegment[]
  readonly dataCount: number | undefined
  readonly bodies: readonly FunctionBody[]
  readonly data: readonly DataSegment[]
  readonly customs: readonly CustomSection[]
}

const typeNames: ReadonlyMap<number, string> = new Map([
  [I32, 'i32'],
  [I64, 'i64'],
  [F32, 'f32'],
  [F64, 'f64'],
  [FUNCREF, 'funcref'],
  [EXTERNREF, 'externref'],
])

/** The text form of a value type, for messages. */
export function typeName(type: number): string {
  return typeNames.get(type) ?? 'any'
}

export function isFloat(type: number): boolean {
  return type === F32 || type === F64
}

export function isReference(type: number): boolean {
  return type === FUNCREF || type === EXTERNREF
}

export function isSameType(a: FunctionType, b: FunctionType): boolean {
  return isSameList(a.parameters, b.parameters) && isSameList(a.results, b.results)
}

function isSameList(a: readonly ValueType[], b: readonly ValueType[]): boolean {
  return a.length === b.length && a.every((type, index) => type === b[index])
}

/** `(i32 i64) -> (i32)`, for messages. */
export function functionTypeText(type: FunctionType): string {
  const list = (types: readonly ValueType[]): string => `(${types.map(typeName).join(' ')})`
  return `${list(type.parameters)} -> ${list(type.results)}`
}

/**
 * A function type from its short text, one letter a value: i = i32, I = i64, f = f32, F = f64.
 * `functionType('iiI', 'i')` is `(i32 i32 i64) -> (i32)`.
 */
export function functionType(parameters: string, results = ''): FunctionType {
  return { parameters: [...parameters].map(letterToType), results: [...results].map(letterToType) }
}

function letterToType(letter: string): ValueType {
  if (letter === 'i') return I32
  if (letter === 'I') return I64
  return letter === 'f' ? F32 : F64
}
