// Byte strings. `StaticArray<u8>` because its pointer is its content: no copy at the host boundary.
import { host_ed25519_verify, host_sha256, result_read } from './env'

export type Bytes = StaticArray<u8>

// @ts-ignore: decorator of AssemblyScript
@inline
export function pointer(bytes: Bytes): usize {
  return changetype<usize>(bytes)
}

export function bytesEqual(left: Bytes, right: Bytes): bool {
  if (left.length != right.length) return false
  return memory.compare(pointer(left), pointer(right), left.length) == 0
}

export function isZero(bytes: Bytes): bool {
  for (let index = 0; index < bytes.length; index++) {
    if (unchecked(bytes[index]) != 0) return false
  }
  return true
}

export function utf8(text: string): Bytes {
  const bytes = new StaticArray<u8>(String.UTF8.byteLength(text))
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, pointer(bytes))
  return bytes
}

export function slice(bytes: Bytes, start: i32, count: i32): Bytes {
  assert(start >= 0 && count >= 0 && start + count <= bytes.length, 'slice out of range')
  const part = new StaticArray<u8>(count)
  memory.copy(pointer(part), pointer(bytes) + start, count)
  return part
}

export function concat(left: Bytes, right: Bytes): Bytes {
  const joined = new StaticArray<u8>(left.length + right.length)
  memory.copy(pointer(joined), pointer(left), left.length)
  memory.copy(pointer(joined) + left.length, pointer(right), right.length)
  return joined
}

/** Copies the frame's result buffer, whose length a host function just gave. */
export function takeResult(length: i32): Bytes {
  const bytes = new StaticArray<u8>(length)
  if (length > 0) result_read(pointer(bytes))
  return bytes
}

export function sha256(bytes: Bytes): Bytes {
  host_sha256(pointer(bytes), bytes.length)
  return takeResult(32)
}

/**
 * Is this the Ed25519 signature (64 bytes) of the key (32 bytes) over the message (at most 64 KiB)? By the
 * same verifier that checks transactions. Other lengths are no signature.
 */
export function verifySignature(publicKey: Bytes, message: Bytes, signature: Bytes): bool {
  if (publicKey.length != 32 || signature.length != 64) return false
  return host_ed25519_verify(pointer(publicKey), pointer(message), message.length, pointer(signature)) == 1
}

/** Identity of a contract, whatever its version: SHA-256("wardchain/alias/1" ‖ alias). */
export function aliasEntity(alias: string): Bytes {
  return sha256(utf8('wardchain/alias/1' + alias))
}

/** Identity of a key's first owner: SHA-256("wardchain/entity/1" ‖ public key). */
export function entityOf(publicKey: Bytes): Bytes {
  return sha256(concat(utf8('wardchain/entity/1'), publicKey))
}
