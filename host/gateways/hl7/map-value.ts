// OBX-2, OBX-5 and OBX-6 to a value and its unit: strict by type, normalised for the vital signs, otherwise
// as sent.
import { quoted, refuse, type Hl7Location, type Hl7Refusal } from './codes.js'
import { celsiusToTenths, fahrenheitToTenths, parseDecimal, type Decimal } from './decimal.js'
import { parseDate, parseTime } from './hl7-time.js'
import type { MappingContext, ObservationValue } from './mapping.js'
import { componentOf, decoded, repetitions, valueAt, type Hl7Message, type Segment } from './tokenizer.js'
import { bareUnit, unitOf } from './units.js'
import { consciousnessDisplays, consciousnessOf, type VitalSign } from './vital-codes.js'

/** Longest text value in characters; longer reports belong into documents. */
export const textLengthMax = 4096

export interface MappedValue {
  readonly value: ObservationValue
  readonly unit: string
}

const none: MappedValue = { value: { kind: 'none' }, unit: '' }

// Statuses under which a value may be absent: not obtained, deleted, posted wrong, pending.
const valueOptional = new Set(['X', 'D', 'W', 'I', 'O', 'N'])

/**
 * Maps the value of one OBX.
 * @param vital the vital sign that OBX-3 names, if the rules know it.
 * Errors: VALUE_MISSING, VALUE_REPEATED, VALUE_NOT_NUMERIC, VALUE_TOO_LONG, VALUE_TYPE_UNSUPPORTED,
 * VALUE_NOT_IN_TABLE, TIME_INVALID, UNIT_MISSING, UNIT_UNKNOWN, UNIT_MISMATCH.
 */
export function mapValue(
  context: MappingContext,
  obx: Segment,
  vital: VitalSign | undefined,
  status: string,
  at: Hl7Location,
): MappedValue | Hl7Refusal {
  const { message } = context
  const location = { ...at, field: 5 }
  const values = repetitions(message, obx, 5)
  const [raw = ''] = values
  // The explicit null says "no value", in any status. It is not zero, and it is not an error.
  if (raw === '""') return none
  const valueType = valueAt(message, obx, 2)
  const isText = valueType === 'TX' || valueType === 'FT' || valueType === 'ST'
  if (values.every((one) => one === '')) {
    // An empty text is an empty line of a report; real laboratories send them.
    if (valueOptional.has(status) || (isText && vital === undefined)) return none
    return refuse(
      'VALUE_MISSING',
      `OBX-5 is empty while its status is ${status}. Nothing was stored.`,
      location,
    )
  }
  if (values.length > 1 && !isText) {
    return refuse(
      'VALUE_REPEATED',
      'OBX-5 holds several values: send an OBX for each. Nothing was stored.',
      location,
    )
  }
  if (vital?.kind === 'consciousness') return mapConsciousness(message, raw, location)
  if (valueType === 'NM') return mapNumber(message, obx, raw, vital, at)
  if (vital !== undefined) {
    return refuse(
      'VALUE_TYPE_UNSUPPORTED',
      `${vital.display} must be sent as a number (OBX-2 NM), not as ${quoted(valueType)}. Nothing was stored.`,
      { ...at, field: 2 },
    )
  }
  return mapOther(context, obx, valueType, values, at)
}

function mapNumber(
  message: Hl7Message,
  obx: Segment,
  raw: string,
  vital: VitalSign | undefined,
  at: Hl7Location,
): MappedValue | Hl7Refusal {
  const number = parseDecimal(decoded(message, raw))
  const location = { ...at, field: 5 }
  if (number === undefined) {
    return refuse(
      'VALUE_NOT_NUMERIC',
      `OBX-5 is ${quoted(raw)}, which is no number. Nothing was stored.`,
      location,
    )
  }
  if (number === 'tooLong') {
    return refuse('VALUE_TOO_LONG', 'OBX-5 has more than 18 digits. Nothing was stored.', location)
  }
  const unit = observationUnit(message, obx, vital, at)
  if (typeof unit !== 'string') return unit
  if (vital === undefined) return { value: { kind: 'decimal', ...number }, unit }
  return vitalNumber(vital, number, unit, at)
}

// OBX-6. A score is a bare number; everything else needs its unit in words that are known.
function observationUnit(
  message: Hl7Message,
  obx: Segment,
  vital: VitalSign | undefined,
  at: Hl7Location,
): string | Hl7Refusal {
  const part = (component: number): string => valueAt(message, obx, 6, component)
  const [first, second, third] = [part(1), part(2), part(3)]
  const location = { ...at, field: 6 }
  if ((first === '' && second === '') || first === '""') {
    if (vital?.kind === 'score') return vital.unit
    return refuse(
      'UNIT_MISSING',
      'OBX-6 names no unit, and none is ever assumed. Nothing was stored.',
      location,
    )
  }
  // C and F alone are coulomb and farad; beside a body temperature nobody means those.
  const temperature =
    vital?.kind === 'temperature' && third === '' ? { C: 'Cel', F: '[degF]' }[first] : undefined
  const alternate = (): string | undefined => unitOf(part(4), part(5), part(6))
  const unit = temperature ?? unitOf(first, second, third) ?? (part(4) === '' ? undefined : alternate())
  if (unit !== undefined) return unit
  return refuse(
    'UNIT_UNKNOWN',
    `OBX-6 is ${quoted(first)}, a unit that this gateway does not know and will not guess. Nothing was stored: send` +
      ' a UCUM unit, as in mm[Hg], /min, Cel or mmol/L.',
    location,
  )
}

function vitalNumber(
  vital: VitalSign,
  number: Decimal,
  unit: string,
  at: Hl7Location,
): MappedValue | Hl7Refusal {
  const bare = bareUnit(unit)
  if (vital.kind === 'temperature' && (bare === 'Cel' || bare === '[degF]')) {
    const mantissa = bare === 'Cel' ? celsiusToTenths(number) : fahrenheitToTenths(number)
    return { value: { kind: 'decimal', mantissa, scale: 1 }, unit: 'Cel' }
  }
  const matches =
    vital.kind === 'score' ? bare === '' || bare === '1' : vital.kind === 'decimal' && bare === vital.unit
  if (matches) return { value: { kind: 'decimal', ...number }, unit: vital.unit }
  const wanted = vital.kind === 'temperature' ? 'Cel or [degF]' : vital.unit
  return refuse(
    'UNIT_MISMATCH',
    `${vital.display} is wanted in ${wanted}; ${quoted(unit)} has no declared conversion. Nothing was stored.`,
    { ...at, field: 6 },
  )
}

function mapConsciousness(
  message: Hl7Message,
  raw: string,
  location: Hl7Location,
): MappedValue | Hl7Refusal {
  const [identifier, text] = [componentOf(message, raw, 1), componentOf(message, raw, 2)]
  const letters = [identifier, text].map(consciousnessOf)
  const [letter = letters[1]] = letters
  const agree = letters.every((other) => other === undefined || other === letter)
  if (letter === undefined || !agree) {
    return refuse(
      'VALUE_NOT_IN_TABLE',
      `OBX-5 is ${quoted(raw)}; the level of consciousness is A (alert), C (new confusion), V (voice), P (pain) or` +
        ' U (unresponsive). Nothing was stored.',
      location,
    )
  }
  return {
    value: { kind: 'coded', code: letter, display: consciousnessDisplays[letter] ?? '', system: 'ACVPU' },
    unit: '',
  }
}

function mapOther(
  context: MappingContext,
  obx: Segment,
  valueType: string,
  values: readonly string[],
  at: Hl7Location,
): MappedValue | Hl7Refusal {
  const { message, zone, origin } = context
  const [raw = ''] = values
  const location = { ...at, field: 5 }
  switch (valueType) {
    case 'CE':
    case 'CWE':
    case 'CNE':
    case 'CF':
    case 'IS':
    case 'ID':
      return bounded(codedValue(message, raw), location)
    case 'ST':
    case 'TX':
    case 'FT':
      return bounded(textValue(values.map((one) => decoded(message, one)).join('\n')), location)
    case 'SN':
      return mapStructuredNumber(message, obx, raw, at)
    case 'DT':
    case 'TS':
    case 'DTM': {
      const text = componentOf(message, raw, 1)
      const isTime =
        parseDate(text) !== undefined || parseTime(text, zone, origin.receivedTimeMs) !== undefined
      if (isTime) return textValue(text)
      return refuse(
        'TIME_INVALID',
        `OBX-5 is ${quoted(text)}, which is no date. Nothing was stored.`,
        location,
      )
    }
    default:
      return refuse(
        'VALUE_TYPE_UNSUPPORTED',
        `OBX-2 is ${quoted(valueType)}; this gateway reads NM, SN, CE, CWE, CNE, CF, IS, ID, ST, TX, FT, DT, TS and` +
          ' DTM. Nothing was stored.',
        { ...at, field: 2 },
      )
  }
}

// SN: comparator, number, separator, number, as in >^100 or ^1^:^128. Kept as text: it is no single number.
function mapStructuredNumber(
  message: Hl7Message,
  obx: Segment,
  raw: string,
  at: Hl7Location,
): MappedValue | Hl7Refusal {
  const part = (component: number): string => componentOf(message, raw, component)
  const numbers = [part(2), part(4)].filter((text) => text !== '')
  const comparators = ['', '=', '<', '>', '<=', '>=', '<>']
  const valid =
    comparators.includes(part(1)) &&
    ['', '-', '+', '/', '.', ':'].includes(part(3)) &&
    numbers.length > 0 &&
    numbers.every((text) => typeof parseDecimal(text) === 'object')
  if (!valid) {
    return refuse(
      'VALUE_NOT_NUMERIC',
      `OBX-5 is ${quoted(raw)}, which is no structured number. Nothing was stored.`,
      {
        ...at,
        field: 5,
      },
    )
  }
  const unit = (obx.fields[6] ?? '') === '' ? '' : observationUnit(message, obx, undefined, at)
  if (typeof unit !== 'string') return unit
  return { ...textValue([1, 2, 3, 4].map(part).join('')), unit }
}

function codedValue(message: Hl7Message, raw: string): MappedValue {
  const part = (component: number): string => componentOf(message, raw, component)
  // A code may come in the second triple only, or as text alone.
  const first = part(1) !== '' || part(4) === '' ? 1 : 4
  return {
    value: {
      kind: 'coded',
      code: part(first),
      display: part(first + 1) || part(9),
      system: part(first + 2),
    },
    unit: '',
  }
}

const textValue = (text: string): MappedValue => ({ value: { kind: 'text', text }, unit: '' })

function bounded(mapped: MappedValue, location: Hl7Location): MappedValue | Hl7Refusal {
  const { value } = mapped
  const length =
    value.kind === 'text'
      ? value.text.length
      : value.kind === 'coded'
        ? value.code.length + value.display.length
        : 0
  if (length <= textLengthMax) return mapped
  return refuse(
    'VALUE_TOO_LONG',
    `OBX-5 is longer than ${textLengthMax} characters. Nothing was stored.`,
    location,
  )
}
