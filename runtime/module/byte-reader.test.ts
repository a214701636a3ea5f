// LEB128 at its edges (WebAssembly 2.0, section 5.2.2) and UTF-8 against the engine's decoder.

import fc from 'fast-check'
import t from 'tap'
import {
  createByteReader,
  isUtf8,
  readName,
  readS32,
  readS33,
  readU32,
  skipS64,
  type ByteReader,
} from './byte-reader.js'
import { createByteWriter, takeBytes, writeSigned, writeU32 } from './byte-writer.js'
import { settle } from './refusal.js'

function read<T>(run: (reader: ByteReader) => T, ...bytes: number[]): T | string {
  const result = settle(() => run(createByteReader(Uint8Array.from(bytes))))
  return result.ok ? result.value : result.code
}

t.test('unsigned integers', async (t) => {
  t.equal(read(readU32, 0), 0)
  t.equal(read(readU32, 0xe5, 0x8e, 0x26), 624_485)
  t.equal(read(readU32, 0xff, 0xff, 0xff, 0xff, 0x0f), 0xffffffff)
  t.equal(read(readU32, 0x80, 0x80, 0x80, 0x80, 0x00), 0, 'padding up to five bytes is allowed')
  t.equal(read(readU32, 0xff, 0xff, 0xff, 0xff, 0x1f), 'INTEGER_MALFORMED')
  t.equal(read(readU32, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), 'INTEGER_MALFORMED')
  t.equal(read(readU32, 0x80), 'UNEXPECTED_END')
})

t.test('signed integers', async (t) => {
  t.equal(read(readS32, 0x7f), -1)
  t.equal(read(readS32, 0xc0, 0xbb, 0x78), -123_456)
  t.equal(read(readS32, 0x80, 0x80, 0x80, 0x80, 0x78), -(2 ** 31))
  t.equal(read(readS32, 0xff, 0xff, 0xff, 0xff, 0x07), 2 ** 31 - 1)
  t.equal(read(readS32, 0xff, 0xff, 0xff, 0xff, 0x0f), 'INTEGER_MALFORMED')
  t.equal(read(readS33, 0x40), -64)
  t.equal(read(readS33, 0xff, 0xff, 0xff, 0xff, 0x0f), 2 ** 32 - 1)
  t.equal(read(readS33, 0x80, 0x80, 0x80, 0x80, 0x20), 'INTEGER_MALFORMED')
  const full = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]
  t.equal(read(skipS64, ...full, 0x7f), undefined)
  t.equal(read(skipS64, ...full, 0x01), 'INTEGER_MALFORMED')
})

t.test('what the writer writes, the reader reads', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.integer(), (unsigned, signed) => {
      const out = createByteWriter(1)
      writeU32(out, unsigned)
      writeSigned(out, signed)
      const reader = createByteReader(takeBytes(out))
      return readU32(reader) === unsigned && readS32(reader) === signed && reader.position === out.length
    }),
  )
  t.end()
})

t.test('UTF-8 agrees with the engine', async (t) => {
  const isEngineUtf8 = (bytes: Uint8Array): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes)
      return true
    } catch {
      return false
    }
  }
  const byte = fc.oneof(
    fc.integer({ min: 0x20, max: 0xff }),
    fc.constantFrom(0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4),
  )
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 6 }), (bytes) => {
      return isUtf8(Uint8Array.from(bytes)) === isEngineUtf8(Uint8Array.from(bytes))
    }),
    { numRuns: 5000 },
  )
  t.equal(read(readName, 3, 0xe2, 0x82, 0xac), '€')
  t.equal(read(readName, 1, 0xff), 'NAME_MALFORMED')
  t.equal(read(readName, 5, 0x61), 'UNEXPECTED_END')
  t.end()
})
