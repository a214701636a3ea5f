// Numbers as clinicians must read them (ISMP): no trailing zero, a leading zero, thousands apart, the
// unit beside. Fixed point in, text out: no binary fraction ever touches a reading.

/**
 * `('386', 1)` → `38.6`; `('50', 1)` → `5`; `('5', 1)` → `0.5`; `('1234567', 0)` → `1,234,567`. Minus is
 * U+2212.
 */
export function formatDecimal(value: string, scale: number): string {
  const match = /^(-?)([0-9]+)$/.exec(value)
  if (match === null || scale < 0 || scale > 18) return '—'
  const digits = match[2].replace(/^0+(?=[0-9])/, '').padStart(scale + 1, '0')
  const whole = digits.slice(0, digits.length - scale)
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '')
  const grouped = whole.replace(/\B(?=([0-9]{3})+$)/g, ',')
  const isZero = /^0*$/.test(whole + fraction)
  const sign = match[1] === '-' && !isZero ? '\u2212' : ''
  return sign + grouped + (fraction === '' ? '' : `.${fraction}`)
}

/** UCUM to what is printed. Units whose short forms kill people are written out ("units", "micrograms"). */
const unitWords: Readonly<Record<string, string>> = {
  Cel: '°C',
  '[degF]': '°F',
  'mm[Hg]': 'mmHg',
  '10*9/L': '×10⁹/L',
  '[iU]': 'units',
  '[IU]': 'units',
  U: 'units',
  ug: 'micrograms',
  'ug/min': 'micrograms/min',
  '1': '',
  '{score}': '',
}

export const formatUnit = (ucum: string): string => unitWords[ucum] ?? ucum

/** Unit without a gap only where it is read as one sign: `95 %` keeps its gap. */
export function formatQuantity(value: string, scale: number, unit: string): string {
  const printed = formatUnit(unit)
  const decimal = formatDecimal(value, scale)
  return printed === '' ? decimal : `${decimal}\u00a0${printed}`
}

/** Tenths of °C to °F for display only, in tenths, half up: 386 → `101.5 °F`. */
export function fahrenheitOf(value: string, scale: number): string | undefined {
  if (!/^-?[0-9]{1,9}$/.test(value) || scale > 6) return undefined
  // (v × 9/5 + 32) in tenths: exact integers until the one division that rounds.
  const unitsPerDegree = 10n ** BigInt(scale)
  const numerator = BigInt(value) * 18n + 320n * unitsPerDegree
  const doubled = 2n * numerator + unitsPerDegree
  const divisor = 2n * unitsPerDegree
  const tenths = doubled >= 0n ? doubled / divisor : (doubled - divisor + 1n) / divisor
  return formatQuantity(tenths.toString(), 1, '[degF]')
}
