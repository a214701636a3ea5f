// Ed25519 verification in plain integers (RFC 8032, 5.1.7), as strict as the nodes' own verifier (libsodium):
// S below the group order, canonical public key, neither key nor R of small order, R compared as bytes. For
// checkers without a native verifier; about 10 ms a signature, and not for secrets: its time varies.

const prime = 2n ** 255n - 19n
const order = 2n ** 252n + 27742317777372353535851937790883648493n
const d = 37095705934669439343138083508754565189542113879843219016388785533085940283555n
const squareRootOfMinusOne = 19681161376707505956807079304988542015446066515923890162744021073123829784752n
const keyBytes = 32
const signatureBytes = 64

/** SHA-512: any bytes to 64 bytes. */
export type Hash512 = (bytes: Uint8Array) => Uint8Array

/** Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
interface Point {
  x: bigint
  y: bigint
  z: bigint
  t: bigint
}

const identity: Point = { x: 0n, y: 1n, z: 1n, t: 0n }
const base = pointOf(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n,
)

/** True when `signature` is this key's over `message`. Total: any bytes give true or false. */
export function verifyEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  sha512: Hash512,
): boolean {
  if (publicKey.length !== keyBytes || signature.length !== signatureBytes) return false
  const encodedR = signature.subarray(0, keyBytes)
  const s = integerOf(signature.subarray(keyBytes))
  if (s >= order) return false
  const key = decodePoint(publicKey)
  const r = decodePoint(encodedR)
  if (key === undefined || r === undefined || isSmall(key) || isSmall(r)) return false
  const hashed = new Uint8Array(signatureBytes + message.length)
  hashed.set(encodedR)
  hashed.set(publicKey, keyBytes)
  hashed.set(message, signatureBytes)
  const h = integerOf(sha512(hashed)) % order
  const minusKey = { ...key, x: modulo(-key.x), t: modulo(-key.t) }
  const check = add(multiply(base, s), multiply(minusKey, h))
  // Both points are on the curve and canonical, so equal points are equal bytes.
  return modulo(check.x * r.z) === modulo(r.x * check.z) && modulo(check.y * r.z) === modulo(r.y * check.z)
}

function modulo(value: bigint): bigint {
  const rest = value % prime
  return rest < 0n ? rest + prime : rest
}

function pointOf(x: bigint, y: bigint): Point {
  return { x, y, z: 1n, t: modulo(x * y) }
}

/** Complete addition on the twisted Edwards curve with a = -1. */
function add(left: Point, right: Point): Point {
  const a = modulo((left.y - left.x) * (right.y - right.x))
  const b = modulo((left.y + left.x) * (right.y + right.x))
  const c = modulo(2n * d * left.t * right.t)
  const zz = modulo(2n * left.z * right.z)
  const [e, f, g, h] = [b - a, zz - c, zz + c, b + a]
  return { x: modulo(e * f), y: modulo(g * h), z: modulo(f * g), t: modulo(e * h) }
}

function multiply(point: Point, scalar: bigint): Point {
  let result = identity
  let power = point
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = add(result, power)
    power = add(power, power)
  }
  return result
}

/** A point whose order divides 8 proves nothing: any message fits it. */
function isSmall(point: Point): boolean {
  const eight = multiply(point, 8n)
  return eight.x === 0n && eight.y === eight.z
}

function integerOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (let index = bytes.length - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(bytes[index])
  return value
}

/** Undefined for what is no canonical encoding of a point on the curve. */
function decodePoint(bytes: Uint8Array): Point | undefined {
  const encoded = integerOf(bytes)
  const sign = encoded >> 255n
  const y = encoded & (2n ** 255n - 1n)
  if (y >= prime) return undefined
  const ySquared = modulo(y * y)
  const u = modulo(ySquared - 1n)
  const v = modulo(d * ySquared + 1n)
  // x = u v^3 (u v^7)^((p-5)/8), possibly times a square root of -1.
  const v3 = modulo(v * v * v)
  let x = modulo(u * v3 * power(modulo(u * v3 * v3 * v), (prime - 5n) / 8n))
  const check = modulo(v * x * x)
  if (check !== u) {
    if (check !== modulo(-u)) return undefined
    x = modulo(x * squareRootOfMinusOne)
  }
  if (x === 0n && sign === 1n) return undefined
  if ((x & 1n) !== sign) x = modulo(-x)
  return pointOf(x, y)
}

function power(root: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = root
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = modulo(result * square)
    square = modulo(square * square)
  }
  return result
}
