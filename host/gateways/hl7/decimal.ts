// Decimal numbers as HL7 NM sends them: read by the letter, kept exactly, never a float (clinical.md
// section 1).

/** The number mantissa * 10^-scale. The digits are those that were sent: 05.100 is {5100n, 3}. */
export interface Decimal {
  readonly mantissa: bigint
  readonly scale: number
}

/** Most digits of a number: 18 always fit a signed 64-bit mantissa. */
export const decimalDigitsMax = 18

/**
 * Reads strict NM text: an optional sign, digits, an optional point with digits on both sides. Leading
 * zeros are allowed; blanks, exponents, commas, `.5` and `5.` are not.
 * @returns undefined when it is not such a text, 'tooLong' beyond `decimalDigitsMax` significant digits.
 */
export function parseDecimal(text: string): Decimal | 'tooLong' | undefined {
  const match = /^([+-]?)0*(\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = ''] = match
  if (whole.length + fraction.length > decimalDigitsMax) return 'tooLong'
  const magnitude = BigInt(whole + fraction)
  return { mantissa: sign === '-' ? -magnitude : magnitude, scale: fraction.length }
}

/** Prints a decimal with exactly `scale` digits after the point. */
export function printDecimal({ mantissa, scale }: Decimal): string {
  const digits = (mantissa < 0n ? -mantissa : mantissa).toString().padStart(scale + 1, '0')
  const point = digits.length - scale
  const sign = mantissa < 0n ? '-' : ''
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

/** Tenths of a degree Celsius, rounded half up. */
export const celsiusToTenths = ({ mantissa, scale }: Decimal): bigint => {
  const one = 10n ** BigInt(scale)
  return floorDivide(20n * mantissa + one, 2n * one)
}

/**
 * Tenths of a degree Celsius from Fahrenheit, rounded half up once: floor((10 (f - 320) + 9) / 18) with f
 * in tenths F (clinical.md section 1), carried to any number of digits. 101.5 F gives 386.
 */
export const fahrenheitToTenths = ({ mantissa, scale }: Decimal): bigint => {
  const one = 10n ** BigInt(scale)
  return floorDivide(100n * (mantissa - 32n * one) + 9n * one, 18n * one)
}

// BigInt division cuts towards zero; rounding half up needs the floor.
const floorDivide = (dividend: bigint, divisor: bigint): bigint => {
  const quotient = dividend / divisor
  return dividend % divisor < 0n ? quotient - 1n : quotient
}
