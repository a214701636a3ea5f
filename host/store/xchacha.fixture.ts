// XChaCha20-Poly1305 from node's OpenSSL (ChaCha20-Poly1305) and a plain HChaCha20: an oracle that shares
// no code with libsodium. draft-irtf-cfrg-xchacha-03, sections 2.2 and 2.3.
import { createCipheriv } from 'node:crypto'

const rotate = (value: number, bits: number): number => ((value << bits) | (value >>> (32 - bits))) >>> 0

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  state[a] += state[b]
  state[d] = rotate(state[d] ^ state[a], 16)
  state[c] += state[d]
  state[b] = rotate(state[b] ^ state[c], 12)
  state[a] += state[b]
  state[d] = rotate(state[d] ^ state[a], 8)
  state[c] += state[d]
  state[b] = rotate(state[b] ^ state[c], 7)
}

export function hchacha20(key: Uint8Array, nonce16: Uint8Array): Uint8Array {
  const state = new Uint32Array(16)
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
  const keyView = new DataView(key.buffer, key.byteOffset)
  for (let index = 0; index < 8; index += 1) state[4 + index] = keyView.getUint32(4 * index, true)
  const nonceView = new DataView(nonce16.buffer, nonce16.byteOffset)
  for (let index = 0; index < 4; index += 1) state[12 + index] = nonceView.getUint32(4 * index, true)
  for (let round = 0; round < 10; round += 1) {
    for (let column = 0; column < 4; column += 1)
      quarterRound(state, column, column + 4, column + 8, column + 12)
    quarterRound(state, 0, 5, 10, 15)
    quarterRound(state, 1, 6, 11, 12)
    quarterRound(state, 2, 7, 8, 13)
    quarterRound(state, 3, 4, 9, 14)
  }
  const out = Buffer.alloc(32)
  for (let index = 0; index < 4; index += 1) {
    out.writeUInt32LE(state[index], 4 * index)
    out.writeUInt32LE(state[12 + index], 16 + 4 * index)
  }
  return out
}

/** ciphertext | tag 16 */
export function oracleSeal(
  key: Uint8Array,
  nonce24: Uint8Array,
  associated: Uint8Array,
  plain: Uint8Array,
): Buffer {
  const subKey = hchacha20(key, nonce24.subarray(0, 16))
  const nonce12 = Buffer.concat([new Uint8Array(4), nonce24.subarray(16)])
  const cipher = createCipheriv('chacha20-poly1305', subKey, nonce12, { authTagLength: 16 })
  cipher.setAAD(associated, { plaintextLength: plain.length })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}
