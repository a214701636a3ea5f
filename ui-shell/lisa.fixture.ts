// The ward's story as records (clinical.md section 4): Lisa Jones, the wound, the two stated readings,
// the rule's alert and its order set. Values as the gateway files them: tenths, UCUM.
import type { JsonObject } from '../host/api/node-port.js'
import { monitor, nurse, patientOf, rule, type SmallNode } from '../host/api/small-node.fixture.js'

export const lisa = patientOf('lisa')
const ruleAddress = 'a3'.repeat(32)
const ruleIdentity = { rule: 'ward/sepsis-screen', ruleVersion: '1.0.0', ruleAddress }

export interface AdmissionPart {
  family: string
  given: string
  bed?: string
  identifier?: string
}

export function admit(node: SmallNode, patient: string, part: AdmissionPart): string {
  return node.append({
    kind: 'admission',
    patient,
    code: 'admission',
    author: monitor,
    body: {
      family: part.family,
      given: part.given,
      birthDate: 19970314,
      sex: 'F',
      pregnancy: 1,
      identifiers: [{ value: part.identifier ?? 'MRN-0042', authority: 'HOSP', type: 'MR' }],
      ward: 'Surgery 2',
      room: '204',
      bed: part.bed ?? '12',
      visitNumber: 'V-77',
      reason: 'after cholecystectomy',
    },
  })
}

export interface ReadingPart {
  code: string
  value: string
  scale: number
  unit: string
  text?: string
  validation?: number
  effectiveTime?: number
  supersedes?: string
  patient?: string
}

export function addReading(node: SmallNode, part: ReadingPart): string {
  const { code, patient = lisa, effectiveTime, supersedes } = part
  return node.append({
    kind: 'observation',
    patient,
    code,
    author: monitor,
    ...(effectiveTime === undefined ? {} : { effectiveTime }),
    ...(supersedes === undefined ? {} : { supersedes }),
    body: {
      value: part.value,
      scale: part.scale,
      unit: part.unit,
      text: part.text ?? '',
      status: 'F',
      validation: part.validation ?? 0,
      sourceText: '101.5 F',
      device: 'Monitor bed 12',
    },
  })
}

export function addWound(node: SmallNode): string {
  return node.append({
    kind: 'finding',
    patient: lisa,
    code: 'wound-assessment',
    author: nurse,
    body: {
      concepts: ['redness', 'purulent-drainage'],
      site: 'right-upper-quadrant',
      text: 'Dressing soaked, edges warm.',
    },
  })
}

export interface AlertPart {
  summary?: string
  severity?: number
  branch?: string
  finality?: 'tentative' | 'final'
  patient?: string
}

export function addAlert(node: SmallNode, part: AlertPart = {}): string {
  const now = Date.now()
  const record = 'b1'.repeat(32)
  const input = (fields: JsonObject): JsonObject => ({
    code: '8480-6',
    label: 'Systolic blood pressure',
    value: '80',
    scale: 0,
    unit: 'mm[Hg]',
    text: '',
    effectiveTime: (now - 20_000).toString(),
    record,
    points: 3,
    threshold: 'NEWS2 red: ≤ 90 mmHg',
    validation: 0,
    ...fields,
  })
  return node.append({
    kind: 'alert',
    patient: part.patient ?? lisa,
    code: 'ward/sepsis-screen',
    author: rule,
    ...(part.finality === undefined ? {} : { finality: part.finality }),
    body: {
      ...ruleIdentity,
      branch: part.branch ?? 'red-parameter',
      severity: part.severity ?? 3,
      summary:
        part.summary ?? 'Suspected sepsis: infected wound and systolic pressure 80 mmHg. Assess now.',
      inputs: [
        input({}),
        input({
          code: '8310-5',
          label: 'Temperature',
          value: '386',
          scale: 1,
          unit: 'Cel',
          points: 1,
          threshold: 'NEWS2: 38.1 to 39.0 °C',
        }),
        input({
          code: 'wound-assessment',
          label: 'Wound assessment',
          value: '0',
          unit: '',
          text: 'purulent-drainage',
          points: 0,
          threshold: 'suspected infection',
          validation: 2,
        }),
      ],
      basis: [
        'suspected infection: purulent drainage with redness',
        'red NEWS2 parameter: systolic pressure 80 mmHg',
      ],
      missing: ['respirations', 'heart rate', 'oxygen saturation', 'consciousness'],
      wouldChange: ['a systolic pressure above 90 mmHg, confirmed by a second reading'],
      citation:
        'Royal College of Physicians, NEWS2 (2017); Surviving Sepsis Campaign 2021, recommendation 2',
    },
  })
}

export function addOrders(node: SmallNode, alert: string): string[] {
  const order = (position: number, item: string, fields: JsonObject): string =>
    node.append({
      kind: 'order',
      patient: lisa,
      code: item,
      author: rule,
      body: {
        ...ruleIdentity,
        alert,
        orderSet: 'sepsis-first-hour',
        item,
        display: '',
        category: 'laboratory',
        position,
        detail: '',
        needs: [],
        ...fields,
      },
    })
  return [
    order(1, '600-7', { display: 'Blood cultures × 2', detail: 'before the first antibiotic' }),
    order(2, '2524-7', { display: 'Lactate', detail: 'repeat if above 2 mmol/L' }),
    order(3, 'crystalloid', {
      display: 'Crystalloid 30 mL/kg',
      category: 'fluid',
      detail: 'volume follows from the weight',
      needs: ['weight'],
    }),
    order(4, 'antibiotic', {
      display: 'Broad-spectrum antibiotic',
      category: 'medication',
      detail: 'by local formulary',
      needs: ['allergy-check'],
    }),
    order(5, 'source-control', {
      display: 'Source control',
      category: 'suggestion',
      detail: 'ask the surgeon about imaging or drainage',
    }),
  ]
}

/** Everything before the alert: two patients, the wound, a partial set of vital signs. */
export function setTheScene(node: SmallNode): void {
  admit(node, patientOf('other'), { family: 'Brown', given: 'Peter', bed: '3', identifier: 'MRN-0007' })
  admit(node, lisa, { family: 'Jones', given: 'Lisa' })
  addWound(node)
  addReading(node, { code: '8310-5', value: '386', scale: 1, unit: 'Cel' })
  addReading(node, { code: '8480-6', value: '80', scale: 0, unit: 'mm[Hg]' })
  addReading(node, { code: '8462-4', value: '60', scale: 0, unit: 'mm[Hg]' })
  addReading(node, { code: '9279-1', value: '18', scale: 0, unit: '/min', validation: 1 })
  const sixHoursAgo = Date.now() - 6 * 3_600_000
  addReading(node, {
    code: '8867-4',
    value: '88',
    scale: 0,
    unit: '/min',
    validation: 2,
    effectiveTime: sixHoursAgo,
  })
}
