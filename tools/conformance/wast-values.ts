// Constants of a `.wast` script as bits. Decimal and hexadecimal floats are rounded exactly, with integers
// only.

import { atomText, headOf, type WastForm } from './wast-forms.js'

/** A value as it crosses the JavaScript boundary of a shim: floats are their bits. */
export type WastValue =
  | { readonly type: 'i32' | 'f32'; readonly bits: number }
  | { readonly type: 'i64' | 'f64'; readonly bits: bigint }
  | { readonly type: 'externref'; readonly reference: unknown }
  | { readonly type: 'funcref'; readonly reference: unknown }

/** What a script expects: a value, or one of the two NaN patterns, or any reference of a kind. */
export type WastExpectation =
  | WastValue
  | { readonly type: 'nan'; readonly width: 32 | 64; readonly isCanonical: boolean }
  | { readonly type: 'any-reference'; readonly isFunction: boolean }

export function parseExpectation(form: WastForm): WastExpectation {
  const head = headOf(form)
  const text = form.kind === 'list' ? atomText(form.items[1]) : undefined
  if (text === 'nan:canonical' || text === 'nan:arithmetic') {
    return { type: 'nan', width: head === 'f32.const' ? 32 : 64, isCanonical: text === 'nan:canonical' }
  }
  if ((head === 'ref.func' || head === 'ref.extern') && text === undefined) {
    return { type: 'any-reference', isFunction: head === 'ref.func' }
  }
  return parseValue(form)
}

export function parseValue(form: WastForm): WastValue {
  const head = headOf(form)
  const text = (form.kind === 'list' ? atomText(form.items[1]) : undefined) ?? ''
  switch (head) {
    case 'i32.const':
      return { type: 'i32', bits: Number(BigInt.asIntN(32, parseInteger(text))) }
    case 'i64.const':
      return { type: 'i64', bits: BigInt.asIntN(64, parseInteger(text)) }
    case 'f32.const':
      return { type: 'f32', bits: Number(BigInt.asIntN(32, floatBits(text, single))) }
    case 'f64.const':
      return { type: 'f64', bits: BigInt.asIntN(64, floatBits(text, double)) }
    case 'ref.extern':
      return { type: 'externref', reference: Number(text) }
    case 'ref.null':
      return { type: text === 'func' || text === 'funcref' ? 'funcref' : 'externref', reference: null }
    default:
      throw new Error(`unknown constant ${head}`)
  }
}

function parseInteger(text: string): bigint {
  const plain = text.replaceAll('_', '')
  if (plain.startsWith('-')) return -BigInt(plain.slice(1))
  return BigInt(plain.startsWith('+') ? plain.slice(1) : plain)
}

interface FloatFormat {
  /** Bits of the significand with the hidden one. */
  readonly precision: number
  readonly exponentMin: number
  readonly exponentMax: number
}

const single: FloatFormat = { precision: 24, exponentMin: -126, exponentMax: 127 }
const double: FloatFormat = { precision: 53, exponentMin: -1022, exponentMax: 1023 }

function floatBits(text: string, format: FloatFormat): bigint {
  const isNegative = text.startsWith('-')
  const magnitude = text.replace(/^[+-]/, '').replaceAll('_', '')
  const fractionBits = BigInt(format.precision - 1)
  const exponentBits = BigInt(format.exponentMax * 2 + 1) << fractionBits
  const sign = isNegative ? exponentBits + (1n << fractionBits) : 0n
  if (magnitude === 'inf') return sign | exponentBits
  if (magnitude === 'nan') return sign | exponentBits | (1n << (fractionBits - 1n))
  if (magnitude.startsWith('nan:')) return sign | exponentBits | BigInt(magnitude.slice(4))
  const [numerator, denominator] = parseRational(magnitude)
  return sign | roundRational(numerator, denominator, format)
}

function parseRational(text: string): [bigint, bigint] {
  const isHex = /^0x/i.test(text)
  const [mantissa = '', exponentText = '0'] = text.replace(/^0x/i, '').split(isHex ? /p/i : /e/i)
  const [whole = '', fraction = ''] = mantissa.split('.')
  const exponent = Number(exponentText)
  const radix = isHex ? 16n : 10n
  const base = isHex ? 2n : 10n
  const digits = BigInt((isHex ? '0x0' : '') + (whole + fraction || '0'))
  const denominator = radix ** BigInt(fraction.length)
  if (exponent >= 0) return [digits * base ** BigInt(exponent), denominator]
  return [digits, denominator * base ** BigInt(-exponent)]
}

/** Rounds to the nearest, ties to even. */
function roundRational(numerator: bigint, denominator: bigint, format: FloatFormat): bigint {
  if (numerator === 0n) return 0n
  const { precision, exponentMin, exponentMax } = format
  let exponent = numerator.toString(2).length - denominator.toString(2).length
  const [scaledUp, scaledDown] = exponent >= 0 ? [0, exponent] : [-exponent, 0]
  if (numerator << BigInt(scaledUp) < denominator << BigInt(scaledDown)) exponent--
  exponent = Math.max(exponent, exponentMin)
  const shift = precision - 1 - exponent
  const top = shift >= 0 ? numerator << BigInt(shift) : numerator
  const bottom = shift >= 0 ? denominator : denominator << BigInt(-shift)
  let significand = top / bottom
  const twice = (top % bottom) * 2n
  if (twice > bottom || (twice === bottom && (significand & 1n) === 1n)) significand++
  const hidden = 1n << BigInt(precision - 1)
  if (significand >= hidden * 2n) {
    significand >>= 1n
    exponent++
  }
  if (exponent > exponentMax) return BigInt(exponentMax * 2 + 1) * hidden
  // A subnormal has the smallest exponent and no hidden bit; adding carries a rounded-up one into the
  // exponent.
  if (significand < hidden) return significand
  return BigInt(exponent + exponentMax) * hidden + (significand - hidden)
}
