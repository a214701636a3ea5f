// Modules that stand between JavaScript and a guest function and reinterpret floats as integers, both ways:
// JavaScript does not keep the bits of a NaN.

import {
  createByteWriter,
  takeBytes,
  writeByte,
  writeBytes,
  writeU32,
  type ByteWriter,
} from '../../runtime/module/byte-writer.js'
import {
  F32,
  F64,
  I32,
  I64,
  isFloat,
  type FunctionType,
  type ValueType,
} from '../../runtime/module/wasm-types.js'

type GuestFunction = (...values: unknown[]) => unknown

const I32_REINTERPRET = 0xbc
const I64_REINTERPRET = 0xbd
const F32_REINTERPRET = 0xbe
const F64_REINTERPRET = 0xbf

const modules = new Map<string, WebAssembly.Module>()

/** The function with every f32 as an i32 and every f64 as an i64. */
export function shimFunction(type: FunctionType, guest: GuestFunction): GuestFunction {
  if (![...type.parameters, ...type.results].some(isFloat)) return guest
  const module = shimModule(`f${String(type.parameters)}>${String(type.results)}`, () => functionShim(type))
  return new WebAssembly.Instance(module, { '': { it: guest } }).exports['it'] as GuestFunction
}

/** Reads a global of a float type as bits. */
export function shimGlobal(type: ValueType, isMutable: boolean, global: unknown): GuestFunction {
  const module = shimModule(`g${type}${isMutable}`, () => globalShim(type, isMutable))
  return new WebAssembly.Instance(module, { '': { it: global } }).exports['it'] as GuestFunction
}

function shimModule(key: string, build: () => Uint8Array): WebAssembly.Module {
  let module = modules.get(key)
  if (module === undefined) {
    module = new WebAssembly.Module(build())
    modules.set(key, module)
  }
  return module
}

function asInteger(type: ValueType): ValueType {
  return type === F32 ? I32 : type === F64 ? I64 : type
}

function functionShim(type: FunctionType): Uint8Array {
  const outer = { parameters: type.parameters.map(asInteger), results: type.results.map(asInteger) }
  const code = createByteWriter()
  writeU32(code, type.results.length)
  for (const result of type.results) writeBytes(code, [1, result])
  type.parameters.forEach((parameter, index) => {
    writeByte(code, 0x20)
    writeU32(code, index)
    if (isFloat(parameter)) writeByte(code, parameter === F32 ? F32_REINTERPRET : F64_REINTERPRET)
  })
  writeBytes(code, [0x10, 0])
  const first = type.parameters.length
  for (let index = type.results.length - 1; index >= 0; index--) {
    writeByte(code, 0x21)
    writeU32(code, first + index)
  }
  type.results.forEach((result, index) => {
    writeByte(code, 0x20)
    writeU32(code, first + index)
    if (isFloat(result)) writeByte(code, result === F32 ? I32_REINTERPRET : I64_REINTERPRET)
  })
  writeByte(code, 0x0b)
  // import "" "it" (func 0), type 0 the guest's, type 1 ours.
  return assemble([type, outer], [0, 2, 0x69, 0x74, 0, 0], 1, 1, takeBytes(code))
}

function globalShim(type: ValueType, isMutable: boolean): Uint8Array {
  const outer = { parameters: [], results: [asInteger(type)] }
  const code = [0, 0x23, 0, type === F32 ? I32_REINTERPRET : I64_REINTERPRET, 0x0b]
  return assemble([outer], [0, 2, 0x69, 0x74, 3, type, Number(isMutable)], 0, 0, code)
}

/** One import, one function exported as "it". */
function assemble(
  types: readonly FunctionType[],
  importItem: readonly number[],
  typeIndex: number,
  functionIndex: number,
  code: ArrayLike<number>,
): Uint8Array {
  const out = createByteWriter()
  writeBytes(out, [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
  writeSection(out, 1, (section) => {
    writeU32(section, types.length)
    for (const type of types) {
      writeByte(section, 0x60)
      for (const list of [type.parameters, type.results]) {
        writeU32(section, list.length)
        writeBytes(section, list)
      }
    }
  })
  writeSection(out, 2, (section) => writeBytes(section, [1, ...importItem]))
  writeSection(out, 3, (section) => writeBytes(section, [1, typeIndex]))
  writeSection(out, 7, (section) => writeBytes(section, [1, 2, 0x69, 0x74, 0, functionIndex]))
  writeSection(out, 10, (section) => {
    writeByte(section, 1)
    writeU32(section, code.length)
    writeBytes(section, code)
  })
  return takeBytes(out)
}

function writeSection(out: ByteWriter, id: number, write: (section: ByteWriter) => void): void {
  const section = createByteWriter()
  write(section)
  writeByte(out, id)
  writeU32(out, section.length)
  writeBytes(out, takeBytes(section))
}
