// Integer arithmetic of the plain interpreter, with big integers.

export class Trap extends Error {}

export function binary32(opcode: number, left: number, right: number): number {
  const a = left >>> 0
  const b = right >>> 0
  const compares = [
    left === right,
    left !== right,
    left < right,
    a < b,
    left > right,
    a > b,
    left <= right,
    a <= b,
    left >= right,
    a >= b,
  ]
  if (opcode >= 0x46 && opcode <= 0x4f) return Number(compares[opcode - 0x46])
  const result = BigInt.asIntN(32, arithmetic(opcode - 0x6a, BigInt(left), BigInt(right), 32))
  return Number(result)
}

export function binary64(opcode: number, left: bigint, right: bigint): number | bigint {
  const a = BigInt.asUintN(64, left)
  const b = BigInt.asUintN(64, right)
  const compares = [
    left === right,
    left !== right,
    left < right,
    a < b,
    left > right,
    a > b,
    left <= right,
    a <= b,
    left >= right,
    a >= b,
  ]
  if (opcode >= 0x51 && opcode <= 0x5a) return Number(compares[opcode - 0x51])
  return BigInt.asIntN(64, arithmetic(opcode - 0x7c, left, right, 64))
}

/** add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr, on signed operands. */
function arithmetic(operation: number, left: bigint, right: bigint, width: number): bigint {
  const a = BigInt.asUintN(width, left)
  const b = BigInt.asUintN(width, right)
  const shift = b % BigInt(width)
  if (operation >= 3 && operation <= 6 && right === 0n) throw new Trap()
  if (operation === 3 && left === -(1n << BigInt(width - 1)) && right === -1n) throw new Trap()
  const rotated = (by: bigint): bigint => (a << by) | (a >> (BigInt(width) - by))
  const results: (() => bigint)[] = [
    () => left + right,
    () => left - right,
    () => left * right,
    () => left / right,
    () => a / b,
    () => left % right,
    () => a % b,
    () => a & b,
    () => a | b,
    () => a ^ b,
    () => a << shift,
    () => left >> shift,
    () => a >> shift,
    () => rotated(shift),
    () => rotated((BigInt(width) - shift) % BigInt(width)),
  ]
  const run = results[operation]
  if (run === undefined) throw new Error(`no operation ${operation}`)
  return run()
}
