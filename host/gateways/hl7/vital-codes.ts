// The vital signs that the rules read: their codes in LOINC and MDC, their unit, and what else names them
// (clinical.md section 6). Every other code passes as it came.

export interface VitalSign {
  /** Canonical LOINC code. */
  readonly code: string
  readonly display: string
  /** UCUM unit on the chain; '' for a coded value. */
  readonly unit: string
  readonly kind: 'decimal' | 'temperature' | 'consciousness' | 'score'
}

const vital = (
  code: string,
  display: string,
  unit: string,
  kind: VitalSign['kind'] = 'decimal',
): VitalSign => ({
  code,
  display,
  unit,
  kind,
})

const vitals: Readonly<Record<string, VitalSign>> = Object.fromEntries(
  [
    vital('8310-5', 'Body temperature', 'Cel', 'temperature'),
    vital('8480-6', 'Systolic blood pressure', 'mm[Hg]'),
    vital('8462-4', 'Diastolic blood pressure', 'mm[Hg]'),
    vital('8478-0', 'Mean blood pressure', 'mm[Hg]'),
    vital('8867-4', 'Heart rate', '/min'),
    vital('9279-1', 'Respiratory rate', '/min'),
    vital('59408-5', 'Oxygen saturation by pulse oximetry', '%'),
    vital('3151-8', 'Inhaled oxygen flow rate', 'L/min'),
    vital('3150-6', 'Inhaled oxygen concentration', '%'),
    vital('80288-4', 'Level of consciousness ACVPU', '', 'consciousness'),
    vital('9269-2', 'Glasgow coma score total', '{score}', 'score'),
    vital('88330-6', 'NEWS2 total', '{score}', 'score'),
  ].map((row) => [row.code, row]),
)

/** LOINC codes that mean the same measurement as a canonical one. FHIR's profile of SpO2 demands 2708-6. */
const loincSynonyms: Readonly<Record<string, string>> = { '2708-6': '59408-5' }

/** MDC reference ids and codes (IEEE 11073-10101): non-invasive pressures, pulse from ECG or pleth. */
const mdcCodes: Readonly<Record<string, string>> = {
  '150021': '8480-6',
  MDC_PRESS_BLD_NONINV_SYS: '8480-6',
  '150022': '8462-4',
  MDC_PRESS_BLD_NONINV_DIA: '8462-4',
  '150023': '8478-0',
  MDC_PRESS_BLD_NONINV_MEAN: '8478-0',
  '150344': '8310-5',
  MDC_TEMP: '8310-5',
  '151562': '9279-1',
  MDC_RESP_RATE: '9279-1',
  '147842': '8867-4',
  MDC_ECG_HEART_RATE: '8867-4',
  '149530': '8867-4',
  MDC_PULS_OXIM_PULS_RATE: '8867-4',
  '150456': '59408-5',
  MDC_PULS_OXIM_SAT_O2: '59408-5',
}

const lookUp = <Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined

/** The vital sign that a LOINC code names, if the rules know it. */
export const vitalOfLoinc = (code: string): VitalSign | undefined =>
  lookUp(vitals, lookUp(loincSynonyms, code) ?? code)

/** The vital sign that an MDC number or reference id names. */
export function vitalOfMdc(code: string): VitalSign | undefined {
  const loinc = lookUp(mdcCodes, code)
  return loinc === undefined ? undefined : lookUp(vitals, loinc)
}

/** ACVPU as one letter. Words are taken as the chart prints them; C is new confusion. */
const consciousness: Readonly<Record<string, string>> = {
  a: 'A',
  alert: 'A',
  c: 'C',
  confusion: 'C',
  'new confusion': 'C',
  'newly confused': 'C',
  v: 'V',
  voice: 'V',
  'responds to voice': 'V',
  p: 'P',
  pain: 'P',
  'responds to pain': 'P',
  u: 'U',
  unresponsive: 'U',
}

/**
 * The ACVPU letter of a code or word, or undefined. Old confusion is not C, so "confused" alone is refused.
 */
export const consciousnessOf = (text: string): string | undefined =>
  lookUp(consciousness, text.trim().toLowerCase())

/** Letters and their words, for display. */
export const consciousnessDisplays: Readonly<Record<string, string>> = {
  A: 'Alert',
  C: 'New confusion',
  V: 'Voice',
  P: 'Pain',
  U: 'Unresponsive',
}
