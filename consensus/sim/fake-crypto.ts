// Hash and signatures for simulation: about 100 times faster than real ones, and as bound to their input.

import { bytesToHex, concatBytes, equalBytes, utf8 } from '../../runtime/protocol/bytes.js'

/**
 * 128 bits of four multiply-and-rotate lanes, repeated to 32 bytes. No security, no accidental collisions.
 */
export function fakeHash(bytes: Uint8Array): Uint8Array {
  let first = 0x9e3779b9 ^ bytes.length
  let second = 0x85ebca6b
  let third = 0xc2b2ae35
  let fourth = 0x27d4eb2f
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] + 1
    first = Math.imul(first ^ byte, 0x01000193)
    second = Math.imul(second ^ (byte + first), 0x85ebca6b)
    second = (second << 13) | (second >>> 19)
    third = Math.imul(third + byte + second, 0xc2b2ae35)
    third = (third << 17) | (third >>> 15)
    fourth = Math.imul(fourth ^ (third + byte), 0x9e3779b1)
    fourth ^= fourth >>> 11
  }
  const words = [first, second, third, fourth]
  const result = new Uint8Array(32)
  const view = new DataView(result.buffer)
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 4; index += 1) {
      let word = words[index] ^ words[(index + 1) % 4] ^ (round * 0x5bd1e995)
      word = Math.imul(word ^ (word >>> 16), 0x7feb352d)
      word = Math.imul(word ^ (word >>> 15), 0x846ca68b)
      words[index] = word ^ (word >>> 16)
      view.setUint32(round * 16 + index * 4, words[index])
    }
  }
  return result
}

/**
 * A signature is a function of key and bytes; only code that means to forge ever computes another one's.
 */
export function fakeSign(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  const digest = fakeHash(concatBytes(publicKey, bytes))
  return concatBytes(digest, fakeHash(digest))
}

export function fakeVerify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  return equalBytes(fakeSign(publicKey, bytes), signature)
}

/** Entity id and key number `rotation` of the simulated node `index`. */
export const entityOf = (index: number): Uint8Array => fakeHash(utf8(`entity ${index}`))
export const keyOf = (index: number, rotation: number): Uint8Array =>
  fakeHash(utf8(`key ${index} ${rotation}`))

/** Four hex digits: enough to tell blocks and nodes apart in a trace. */
export const short = (bytes: Uint8Array): string => bytesToHex(bytes.subarray(0, 2))
