// The laboratory's reply to an order (ORL^O22 or ORR^O02, or a bare ACK), and which order a result belongs
// to.
import { GatewayError } from './codes.js'
import { parseMessage, valueAt, type Hl7Message } from './tokenizer.js'

/** ORC-1 of a reply, in our words. Anything else is 'unclear': a person has to look. */
export type ItemAnswer =
  'accepted' | 'refused' | 'cancelled' | 'notCancelled' | 'changed' | 'notChanged' | 'unclear'

export interface OrderItemReply {
  readonly placerNumber: string
  /** The laboratory's number; '' when it gave none. */
  readonly fillerNumber: string
  readonly answer: ItemAnswer
  /** ORC-1 as sent. */
  readonly control: string
}

export interface OrderReply {
  /** MSA-1: AA taken, AE or AR not. */
  readonly code: 'AA' | 'AE' | 'AR'
  /** ERR-8, ERR-3.2 or MSA-3: why not. */
  readonly sentence: string
  /** One for each item that was asked, in its order; a bare ACK gives none. */
  readonly items: readonly OrderItemReply[]
}

// HL7 table 0119.
const answers: Readonly<Record<string, ItemAnswer>> = {
  OK: 'accepted',
  NA: 'accepted',
  UA: 'refused',
  CR: 'cancelled',
  OC: 'cancelled',
  UC: 'notCancelled',
  XR: 'changed',
  UX: 'notChanged',
}

/**
 * Reads a reply. Throws GatewayError: REPLY_MALFORMED (it does not parse, or is no ORL, ORR or ACK),
 * REPLY_MISMATCHED (MSA-2 is not our control id: a reply to another order must never be booked on this
 * one), REPLY_UNKNOWN_ITEM (it names a placer number that was not asked, or one twice).
 */
export function readOrderReply(
  bytes: Uint8Array,
  controlId: string,
  asked: readonly { readonly placerNumber: string }[],
): OrderReply {
  const message = replyMessage(bytes)
  const msa = message.segments.find(({ name }) => name === 'MSA')
  const code = msa === undefined ? '' : valueAt(message, msa, 1)
  if (msa === undefined || (code !== 'AA' && code !== 'AE' && code !== 'AR')) {
    throw new GatewayError('REPLY_MALFORMED', 'the laboratory answered without AA, AE or AR')
  }
  if (valueAt(message, msa, 2) !== controlId) {
    throw new GatewayError('REPLY_MISMATCHED', 'the laboratory answered another message than this order')
  }
  const err = message.segments.find(({ name }) => name === 'ERR')
  const reason = err === undefined ? '' : valueAt(message, err, 8) || valueAt(message, err, 3, 2)
  return { code, sentence: reason || valueAt(message, msa, 3), items: itemReplies(message, asked) }
}

function replyMessage(bytes: Uint8Array): Hl7Message {
  const parsed = parseMessage(bytes)
  if (!parsed.ok) throw new GatewayError('REPLY_MALFORMED', `the laboratory's answer: ${parsed.sentence}`)
  const msh = parsed.message.segments[0]
  const messageType = msh === undefined ? '' : valueAt(parsed.message, msh, 9)
  if (!['ORL', 'ORR', 'ACK'].includes(messageType)) {
    throw new GatewayError(
      'REPLY_MALFORMED',
      'the laboratory answered with a message that is no reply to an order',
    )
  }
  return parsed.message
}

function itemReplies(
  message: Hl7Message,
  asked: readonly { readonly placerNumber: string }[],
): readonly OrderItemReply[] {
  const replies = new Map<string, OrderItemReply>()
  message.segments.forEach((orc, index) => {
    if (orc.name !== 'ORC') return
    // Some laboratories number in OBR-3 only.
    const next = message.segments[index + 1]
    const obr = next?.name === 'OBR' ? next : undefined
    const placerNumber = valueAt(message, orc, 2) || (obr ? valueAt(message, obr, 2) : '')
    const fillerNumber = valueAt(message, orc, 3) || (obr ? valueAt(message, obr, 3) : '')
    const control = valueAt(message, orc, 1)
    const isAsked = asked.some((item) => item.placerNumber === placerNumber)
    if (!isAsked || replies.has(placerNumber)) {
      throw new GatewayError(
        'REPLY_UNKNOWN_ITEM',
        'the laboratory answered for a test that was not asked, or twice',
      )
    }
    const answer = Object.hasOwn(answers, control) ? (answers[control] ?? 'unclear') : 'unclear'
    replies.set(placerNumber, { placerNumber, fillerNumber, answer, control })
  })
  return asked.flatMap(({ placerNumber }) => replies.get(placerNumber) ?? [])
}

/** Numbers under which an order is known to us and, once it replied, to the laboratory. */
export interface OrderNumbers {
  readonly placerNumber: string
  /** '' until the laboratory has said it. */
  readonly fillerNumber: string
}

/**
 * The order that a result answers: by placer number, then by filler number. A result whose two numbers
 * point to different orders belongs to none ('conflict'), for guessing would file it under the wrong one.
 */
export function orderOfResult<Order extends OrderNumbers>(
  orders: readonly Order[],
  result: { readonly placer: string; readonly filler: string },
): Order | 'conflict' | undefined {
  const byPlacer =
    result.placer === '' ? undefined : orders.find((one) => one.placerNumber === result.placer)
  const byFiller =
    result.filler === '' ? undefined : orders.find((one) => one.fillerNumber === result.filler)
  if (byPlacer !== undefined && byFiller !== undefined && byPlacer !== byFiller) return 'conflict'
  const numberedOtherwise =
    byPlacer !== undefined && byPlacer.fillerNumber !== '' && result.filler !== '' && byFiller === undefined
  // One order, one filler number: a second one under the same placer number is another specimen or a
  // mistake.
  if (numberedOtherwise) return 'conflict'
  return byPlacer ?? byFiller
}
