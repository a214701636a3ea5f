// Orders to a laboratory: OML^O21 (2.5.1) or ORM^O01 (2.3, 2.4) from a signed order, sent over MLLP; the
// reply brings the laboratory's own number. clinical.md section 7, "Messages out".
import { timestamp } from './ack.js'
import { GatewayError } from './codes.js'
import { defaultDelimiters, encodeEscapes } from './escapes.js'
import type { AdministrativeSex, PatientIdentifier, PatientLocation, PersonName } from './mapping.js'
import { sendMllp, type MllpClientOptions } from './mllp-client.js'
import { readOrderReply, type OrderReply } from './order-replies.js'

/** ORC-1: new, cancel, change, status changed. */
export type OrderControl = 'NW' | 'CA' | 'XO' | 'SC'

/** A code in its system: LN (LOINC), SCT (SNOMED CT), L (local) ... */
export interface OrderCode {
  readonly code: string
  readonly display: string
  readonly system: string
}

/** One test of an order. */
export interface OrderItem {
  /** ORC-2: our number, unique for ever. */
  readonly placerNumber: string
  /** ORC-3: the laboratory's number, once it is known (cancel, change). */
  readonly fillerNumber?: string
  readonly test: OrderCode
  /** SPM-4, for cultures and whatever else needs its specimen named. */
  readonly specimen?: OrderCode
  /** SPM-8: where it was taken, so that two blood cultures are two. */
  readonly specimenSite?: OrderCode
  /** HL7 table 0485: S at once, A as soon as possible, R routine. */
  readonly priority: 'S' | 'A' | 'R'
  /** A remark for the laboratory (NTE). */
  readonly note?: string
}

export interface LaboratoryOrder {
  readonly control: OrderControl
  readonly patient: {
    readonly identifiers: readonly PatientIdentifier[]
    readonly name: PersonName
    /** yyyymmdd, or undefined when unknown. */
    readonly birthDate: string | undefined
    readonly sex: AdministrativeSex
    readonly location: PatientLocation
    readonly visitNumber: string
  }
  /** ORC-12: the person who signed. */
  readonly provider: { readonly number: string; readonly family: string; readonly given: string }
  /** ORC-9: when it was signed, ms since 1970 UTC. */
  readonly orderTimeMs: number
  /** ORC-4: the order set that the items belong to; '' for none. */
  readonly group: string
  readonly items: readonly OrderItem[]
}

/** The laboratory's side of an attached system. */
export interface OrderDestination {
  readonly host: string
  readonly port: number
  /** 2.5.1 gets OML^O21, the older ones ORM^O01. */
  readonly version: '2.3' | '2.4' | '2.5.1'
  readonly sendingApplication: string
  readonly sendingFacility: string
  readonly receivingApplication: string
  readonly receivingFacility: string
  /** P production, T training. */
  readonly processingId: 'P' | 'T'
  /** Namespace of our placer numbers (EI.2). */
  readonly placerNamespace: string
}

/** Most tests in one order message; an order set has far fewer. */
export const orderItemsMax = 50

/**
 * Builds the order message. The same order with the same control id gives the same bytes, so that a resend
 * after a lost reply is a repeated message to the laboratory.
 * Throws GatewayError ORDER_INVALID: no item or too many, a placer number empty or used twice, no patient
 * number, a cancel or change of an item without a number.
 */
export function buildOrder(
  order: LaboratoryOrder,
  destination: OrderDestination,
  controlId: string,
  messageTimeMs: number,
): Uint8Array {
  checkOrder(order)
  const isOml = destination.version === '2.5.1'
  const messageType = isOml ? 'OML^O21^OML_O21' : 'ORM^O01'
  const d = destination
  const names = [d.sendingApplication, d.sendingFacility, d.receivingApplication, d.receivingFacility]
  const msh = [
    'MSH',
    '^~\\&',
    ...names.map(text),
    timestamp(messageTimeMs),
    '',
    messageType,
    text(controlId),
  ]
  const segments = [
    [...msh, d.processingId, d.version, '', '', '', '', '', 'UNICODE UTF-8'].join('|'),
    patientSegment(order),
    visitSegment(order),
  ]
  order.items.forEach((item, index) => {
    segments.push(commonSegment(order, item, destination), requestSegment(order, item, destination, index))
    if (isOml) segments.splice(-1, 0, `TQ1|1||||||||${item.priority}`)
    if (item.note !== undefined) segments.push(`NTE|1|P|${text(item.note)}`)
    if (isOml && item.specimen !== undefined) segments.push(specimenSegment(item))
  })
  return new TextEncoder().encode(`${segments.map((line) => line.replace(/\|+$/, '')).join('\r')}\r`)
}

/**
 * Sends an order and reads the reply. Throws GatewayError: ORDER_INVALID, those of `sendMllp`, and those of
 * `readOrderReply` (a reply to another message, or to no order of ours).
 */
export async function sendOrder(
  order: LaboratoryOrder,
  destination: OrderDestination,
  controlId: string,
  messageTimeMs: number,
  options: MllpClientOptions = {},
): Promise<OrderReply> {
  const message = buildOrder(order, destination, controlId, messageTimeMs)
  const reply = await sendMllp(destination.host, destination.port, message, options)
  return readOrderReply(reply, controlId, order.items)
}

const text = (plain: string): string => encodeEscapes(plain, defaultDelimiters)
const coded = ({ code, display, system }: OrderCode): string => [code, display, system].map(text).join('^')

function checkOrder({ items, patient, control }: LaboratoryOrder): void {
  const invalid = (why: string): never => {
    throw new GatewayError('ORDER_INVALID', `the order cannot be sent: ${why}`)
  }
  if (items.length === 0 || items.length > orderItemsMax)
    invalid(`it must name 1 to ${orderItemsMax} tests`)
  if (!patient.identifiers.some(({ value }) => value !== '')) invalid('the patient has no number')
  const placers = new Set(items.map(({ placerNumber }) => placerNumber))
  if (placers.has('') || placers.size < items.length) invalid('each test needs a placer number of its own')
  if (items.some(({ test }) => test.code === '')) invalid('a test has no code')
  if (control === 'SC' && items.some(({ fillerNumber = '' }) => fillerNumber === '')) {
    invalid('a status can change only for a test that the laboratory has numbered')
  }
}

function patientSegment({ patient }: LaboratoryOrder): string {
  const numbers = patient.identifiers.map(
    ({ value, authority, type }) => `${text(value)}^^^${text(authority)}^${text(type)}`,
  )
  const name = `${text(patient.name.family)}^${text(patient.name.given)}`
  return ['PID', '1', '', numbers.join('~'), '', name, '', patient.birthDate ?? '', patient.sex].join('|')
}

function visitSegment({ patient }: LaboratoryOrder): string {
  const { ward, room, bed } = patient.location
  const place = [ward, room, bed].map(text).join('^').replace(/\^+$/, '')
  const fields = ['PV1', '1', 'I', place]
  fields[19] = text(patient.visitNumber)
  return joined(fields)
}

// ORC: control, placer and filler numbers, group, priority (the old way), time, who ordered.
function commonSegment(
  order: LaboratoryOrder,
  item: OrderItem,
  { placerNamespace, version }: OrderDestination,
): string {
  const fields = ['ORC', order.control, placer(item, placerNamespace), text(item.fillerNumber ?? '')]
  fields[4] = order.group === '' ? '' : `${text(order.group)}^${text(placerNamespace)}`
  fields[7] = version === '2.5.1' ? '' : `^^^^^${item.priority}`
  fields[9] = timestamp(order.orderTimeMs)
  fields[12] = providerOf(order)
  return joined(fields)
}

// OBR: the same numbers, the test, the specimen's name and the priority where there is no SPM and TQ1.
function requestSegment(
  order: LaboratoryOrder,
  item: OrderItem,
  { placerNamespace, version }: OrderDestination,
  index: number,
): string {
  const isOml = version === '2.5.1'
  const fields = [
    'OBR',
    String(index + 1),
    placer(item, placerNamespace),
    text(item.fillerNumber ?? ''),
    coded(item.test),
  ]
  fields[15] = isOml || item.specimen === undefined ? '' : oldSpecimen(item.specimen, item.specimenSite)
  fields[16] = providerOf(order)
  fields[27] = isOml ? '' : `^^^^^${item.priority}`
  return joined(fields)
}

// OBR-15 before 2.5: specimen source as code, and the body site in component 4, both with subcomponents.
const oldSpecimen = (specimen: OrderCode, site?: OrderCode): string => {
  const parts = (code: OrderCode): string => [code.code, code.display, code.system].map(text).join('&')
  return site === undefined ? parts(specimen) : `${parts(specimen)}^^^${parts(site)}`
}

function specimenSegment(item: OrderItem): string {
  const fields = ['SPM', '1', '', '']
  if (item.specimen !== undefined) fields[4] = coded(item.specimen)
  if (item.specimenSite !== undefined) fields[8] = coded(item.specimenSite)
  return joined(fields)
}

const placer = (item: OrderItem, namespace: string): string =>
  `${text(item.placerNumber)}^${text(namespace)}`

const providerOf = ({ provider }: LaboratoryOrder): string =>
  [provider.number, provider.family, provider.given].map(text).join('^')

/** Joins fields, of which some places were left open. */
const joined = (fields: readonly (string | undefined)[]): string =>
  Array.from(fields, (field) => field ?? '').join('|')
