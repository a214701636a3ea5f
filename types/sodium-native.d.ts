// The part of sodium-native that wardchain uses. Buffers may be any Uint8Array; sizes are checked by the
// binding.
declare module 'sodium-native' {
  interface Sodium {
    crypto_sign_PUBLICKEYBYTES: number
    crypto_sign_SECRETKEYBYTES: number
    crypto_sign_SEEDBYTES: number
    crypto_sign_BYTES: number
    crypto_sign_keypair(publicKey: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean

    crypto_aead_xchacha20poly1305_ietf_ABYTES: number
    crypto_aead_xchacha20poly1305_ietf_KEYBYTES: number
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES: number
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      ciphertext: Uint8Array,
      message: Uint8Array,
      associatedData: Uint8Array | null,
      secretNonce: null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      message: Uint8Array,
      secretNonce: null,
      ciphertext: Uint8Array,
      associatedData: Uint8Array | null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number

    crypto_pwhash_ALG_ARGON2ID13: number
    crypto_pwhash_SALTBYTES: number
    crypto_pwhash(
      output: Uint8Array,
      password: Uint8Array,
      salt: Uint8Array,
      opsLimit: number,
      memLimit: number,
      algorithm: number,
    ): void
    crypto_pwhash_async(
      output: Uint8Array,
      password: Uint8Array,
      salt: Uint8Array,
      opsLimit: number,
      memLimit: number,
      algorithm: number,
    ): Promise<void>

    crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void
    crypto_hash_sha256(output: Uint8Array, input: Uint8Array): void

    randombytes_buf(buffer: Uint8Array): void
    sodium_malloc(byteCount: number): Buffer
    sodium_free(buffer: Uint8Array): void
    sodium_memzero(buffer: Uint8Array): void
    sodium_mprotect_noaccess(buffer: Uint8Array): void
    sodium_mprotect_readonly(buffer: Uint8Array): void
    sodium_mprotect_readwrite(buffer: Uint8Array): void
  }
  const sodium: Sodium
  export default sodium
}
