// Fixed-point numbers: value × 10^-scale. No floats, so that every replica compares alike and thresholds
// are exact.

const SCALE_MAX: i32 = 18

function power(exponent: i32): i64 {
  let result: i64 = 1
  for (let index = 0; index < exponent; index++) result *= 10
  return result
}

export class Decimal {
  constructor(
    public value: i64,
    public scale: i32,
  ) {
    assert(scale >= 0 && scale <= SCALE_MAX, 'scale out of range')
  }

  /** -1, 0 or 1. Compares the exact values, at whatever scale they were sent. */
  compare(other: Decimal): i32 {
    if (this.scale == other.scale) return order(this.value, other.value)
    if (this.scale < other.scale) return -other.compare(this)
    const factor = power(this.scale - other.scale)
    // Beyond i64 the other's magnitude is larger than any value of ours, so its sign decides.
    if (other.value > i64.MAX_VALUE / factor) return -1
    if (other.value < i64.MIN_VALUE / factor) return 1
    return order(this.value, other.value * factor)
  }

  isAbove(other: Decimal): bool {
    return this.compare(other) > 0
  }

  isBelow(other: Decimal): bool {
    return this.compare(other) < 0
  }

  isAtLeast(other: Decimal): bool {
    return this.compare(other) >= 0
  }

  /** Value at another scale, rounded half up where digits are dropped. */
  at(scale: i32): i64 {
    if (scale >= this.scale) return this.value * power(scale - this.scale)
    const divisor = power(this.scale - scale)
    const half = this.value + divisor / 2
    const quotient = half / divisor
    // Division truncates towards zero; half up needs the floor.
    return half % divisor < 0 ? quotient - 1 : quotient
  }

  toString(): string {
    const digits = (this.value < 0 ? -this.value : this.value).toString().padStart(this.scale + 1, '0')
    const sign = this.value < 0 ? '-' : ''
    if (this.scale == 0) return sign + digits
    const point = digits.length - this.scale
    return sign + digits.substring(0, point) + '.' + digits.substring(point)
  }
}

function order(left: i64, right: i64): i32 {
  return left < right ? -1 : left > right ? 1 : 0
}
