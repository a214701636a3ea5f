// Attacks on the parsers of the host: bytes that no encoder of ours writes. Each must end in a code of ours,
// never in an exception, before it has cost more than its length.
import {
  decodeBorsh,
  decodeBundle,
  decodeCbor,
  decodeManifest,
  decodePayload,
  type Schema,
} from '../../protocol/index.js'
import { sha256 } from '../world.fixture.js'
import type { HostileBytes } from './hostile-case.fixture.js'

type Parsed = { readonly ok: boolean; readonly code?: string }

const attack = (name: string, code: string, parse: () => Parsed): HostileBytes => ({
  kind: 'bytes',
  attack: 25,
  name,
  code,
  parse: () => {
    const parsed = parse()
    return parsed.ok ? 'OK' : (parsed.code ?? '')
  },
})

/** Arrays of one element inside each other. */
const nestedArrays = (depth: number): Uint8Array => new Uint8Array(depth).fill(0x81)
/** An array that says it holds 2^32-1 elements, or a byte string of that length. */
const largeArray = Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff)
const largeBytes = Uint8Array.of(0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
/** One byte of input that costs 200 of memory each. */
const emptyMaps = (byteCount: number): Uint8Array => {
  const bytes = new Uint8Array(byteCount).fill(0xa0)
  bytes[0] = 0x9a
  new DataView(bytes.buffer).setUint32(1, byteCount - 5)
  return bytes
}
const list: Schema = { vec: 'u8' }
const lists: Schema = { vec: { vec: { struct: [] } } }
const count = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)

export const hostileBytes: readonly HostileBytes[] = [
  attack('CBOR nested 60,000 deep as a manifest', 'MANIFEST_MALFORMED', () =>
    decodeManifest(nestedArrays(60_000)),
  ),
  attack('CBOR nested 60,000 deep', 'CBOR_MALFORMED', () => decodeCbor(nestedArrays(60_000))),
  attack('a CBOR array of 2^32-1 elements', 'CBOR_MALFORMED', () => decodeCbor(largeArray)),
  attack('a CBOR byte string of 2^64-1 bytes', 'CBOR_MALFORMED', () => decodeCbor(largeBytes)),
  attack('4 MiB of empty CBOR maps', 'CBOR_TOO_MANY_ITEMS', () => decodeCbor(emptyMaps(4 * 1_048_576))),
  attack('a CBOR map with one key twice', 'CBOR_NOT_DETERMINISTIC', () =>
    decodeCbor(count(0xa2, 1, 1, 1, 2)),
  ),
  attack('a bundle that is nested CBOR', 'BUNDLE_MALFORMED', () =>
    decodeBundle(nestedArrays(60_000), sha256),
  ),
  attack('a payload that is a large array', 'PAYLOAD_MALFORMED', () => decodePayload(largeArray)),
  attack('a Borsh vector of 2^32-1 elements', 'BORSH_MALFORMED', () =>
    decodeBorsh(list, count(255, 255, 255, 255)),
  ),
  attack('a Borsh vector of 2^32-1 elements of no bytes', 'BORSH_MALFORMED', () =>
    decodeBorsh(lists, count(1, 0, 0, 0, 255, 255, 255, 255)),
  ),
]
