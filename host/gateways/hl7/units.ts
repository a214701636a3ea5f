// Units at the gateway: OBX-6 to a UCUM expression, or nothing. A unit that is not known is refused, never
// assumed. UCUM: https://ucum.org/ucum, case-sensitive form; the atoms are those that wards and
// laboratories use.

const prefixes = 'da|[YZEPTGMkhdcmunpfazy]'
const metricAtoms = 'm\\[Hg\\]|m\\[H2O\\]|\\[IU\\]|\\[iU\\]|mol|osm|kat|eq|bar|Pa|Hz|m|s|g|L|l|J|W|N|V|A|U'
// K (kelvin) is left out on purpose: in laboratories "K/uL" means thousands, not kelvin.
const plainAtoms =
  "Cel|\\[degF\\]|%|min|h|d|wk|mo|a|\\[pH\\]|\\[ppm\\]|\\[in_i\\]|\\[ft_i\\]|\\[lb_av\\]|\\[oz_av\\]|\\[arb'U\\]|\\[CFU\\]"
const annotation = '\\{[\\x21-\\x7a|~]*\\}'
const power = '10[*^][+-]?\\d{1,2}'
const simple = `(?:${power}|(?:(?:${prefixes})?(?:${metricAtoms})|${plainAtoms})(?:[+-]?[1-9])?|1)`
const component = `(?:${simple}(?:${annotation})?|${annotation})`
const ucum = new RegExp(`^/?${component}(?:[./]${component})*$`)

/** Whether a text is a UCUM expression of the atoms known here. */
export const isUcum = (text: string): boolean => text.length <= 40 && ucum.test(text)

/** Spellings that mean one unit whoever writes them. Case matters, as in UCUM. */
const aliases: Readonly<Record<string, string>> = {
  mmHg: 'mm[Hg]',
  'mm Hg': 'mm[Hg]',
  'mm(hg)': 'mm[Hg]',
  cmH2O: 'cm[H2O]',
  bpm: '/min',
  'beats/min': '/min',
  'beat/min': '/min',
  'breaths/min': '/min',
  'breath/min': '/min',
  degC: 'Cel',
  'deg C': 'Cel',
  '°C': 'Cel',
  Celsius: 'Cel',
  degF: '[degF]',
  'deg F': '[degF]',
  '°F': '[degF]',
  Fahrenheit: '[degF]',
  pH: '[pH]',
  'mEq/L': 'meq/L',
  'IU/L': '[IU]/L',
  'IU/mL': '[IU]/mL',
  'mIU/L': 'm[IU]/L',
  'mIU/mL': 'm[IU]/mL',
  'uIU/mL': 'u[IU]/mL',
  'mcg/L': 'ug/L',
  'mcg/dL': 'ug/dL',
  'mcg/mL': 'ug/mL',
  'x10E9/L': '10*9/L',
  'x10^9/L': '10*9/L',
  '10E9/L': '10*9/L',
  'x10E12/L': '10*12/L',
  'x10^12/L': '10*12/L',
  'x10E3/uL': '10*3/uL',
  'x10^3/uL': '10*3/uL',
  '10E3/uL': '10*3/uL',
  gram: 'g',
  grams: 'g',
  weeks: 'wk',
  hours: 'h',
  days: 'd',
}

/** MDC units of OBX-6 (IEEE 11073-10101; clinical.md section 6, "codes unverified"). */
const mdcUnits: Readonly<Record<string, string>> = {
  '266016': 'mm[Hg]',
  MDC_DIM_MMHG: 'mm[Hg]',
  '268192': 'Cel',
  MDC_DIM_DEGC: 'Cel',
  '266560': '[degF]',
  MDC_DIM_FAHR: '[degF]',
  '264864': '/min',
  MDC_DIM_BEAT_PER_MIN: '/min',
  '264928': '/min',
  MDC_DIM_RESP_PER_MIN: '/min',
  '262688': '%',
  MDC_DIM_PERCENT: '%',
}

/**
 * The UCUM unit that OBX-6 names, or undefined when it is unknown.
 * @param identifier decoded OBX-6.1  @param text OBX-6.2  @param system OBX-6.3
 *
 * A declared system binds: UCUM must parse, MDC must be in the table. Without one, the identifier is tried
 * as UCUM, as a known spelling and as an MDC name; where it is a local code (CD:289^mg/dL) the text that
 * the sender wrote beside it is tried the same way.
 */
export function unitOf(identifier: string, text: string, system: string): string | undefined {
  switch (system.toUpperCase()) {
    case 'UCUM':
      return plainUnit(identifier)
    case 'MDC':
      return lookUp(mdcUnits, identifier) ?? lookUp(mdcUnits, text)
    default:
      return plainUnit(identifier) ?? mdcName(identifier) ?? plainUnit(text) ?? mdcName(text)
  }
}

// Without a declared system an MDC name speaks for itself, a bare number does not.
const mdcName = (text: string): string | undefined =>
  text.startsWith('MDC_') ? lookUp(mdcUnits, text) : undefined

function plainUnit(raw: string): string | undefined {
  // Both micro signs (U+00B5 and the Greek letter U+03BC) are UCUM's u.
  const text = raw.replace(/[\u00b5\u03bc]/g, 'u')
  const alias = lookUp(aliases, text)
  if (alias !== undefined) return alias
  return isUcum(text) ? text.replace(/10\^/g, '10*') : undefined
}

const lookUp = (table: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined

/**
 * The unit without annotations, in the shape that vital signs use: {beats}/min, 1/min and min-1 are /min.
 */
export function bareUnit(unit: string): string {
  const bare = unit.replace(/\{[^}]*\}/g, '')
  if (bare === '1/min' || bare === 'min-1') return '/min'
  return bare === 'l/min' ? 'L/min' : bare
}
