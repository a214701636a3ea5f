// What this node does for single peers beside consensus: it passes on the request of a ticket's holder to
// have a node admitted, and hands the founding document to nodes that are listed.
//
//   request   1 | bundle                     admission, from a ticket's holder only
//             2                              the genesis document
//   answer    1 | status u16 BE | detail     status of error-codes.ts, 0: admitted and final
//             2 | genesis bytes
//   3 ...     snapshots: host/executor/snapshot-format.ts
//   4         linearizable reads: linear-read.ts
import {
  concatBytes,
  decodeBundle,
  equalBytes,
  errorTable,
  hexToBytes,
  keyIdOf,
  statusOf,
  utf8,
  type ErrorCode,
} from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import type { ServicePort } from '../../consensus/net/ports.js'

export const serviceTag = { admission: 1, genesis: 2, snapshot: 3, read: 4 } as const

export interface ServiceParts {
  isApplicant: ServicePort['isApplicant']
  /** The chain lists a node with this transport key. */
  isListed(peer: string): boolean
  /** Submits and waits until the transaction is final: the receipt's code, or why there is none. */
  submit(bundle: Uint8Array): Promise<{ code: ErrorCode; detail: string }>
  genesis(): Promise<Uint8Array | null>
  snapshot(request: Uint8Array, peer: string): Promise<Uint8Array>
  chainId: Uint8Array
  /** What this node shows to a linearizable read. */
  read(): Uint8Array | null
}

/** An admission is a card and a signature; whatever is larger is none. */
const admissionBytesMax = 4_096

export function createNodeServices(parts: ServiceParts): ServicePort {
  return {
    isApplicant: (peer) => parts.isApplicant(peer),
    request: async ({ peer, isApplicant }, body) => {
      const [tag] = body
      if (tag === serviceTag.admission) return isApplicant ? admission(parts, body.subarray(1), peer) : null
      // Who is not listed, or not any more, gets nothing of the chain.
      if (isApplicant || !parts.isListed(peer)) return null
      if (tag === serviceTag.read) return parts.read()
      if (tag === serviceTag.snapshot) return parts.snapshot(body, peer)
      if (tag !== serviceTag.genesis) return null
      const genesis = await parts.genesis()
      return genesis && concatBytes(new Uint8Array([serviceTag.genesis]), genesis)
    },
  }
}

async function admission(parts: ServiceParts, bundle: Uint8Array, peer: string): Promise<Uint8Array> {
  const refusal = admissionProblem(bundle, peer, parts.chainId)
  const { code, detail } = refusal ?? (await parts.submit(bundle))
  return encodeStatus(code, detail)
}

/** A ticket passes its own `redeemTicket` here and nothing else. */
function admissionProblem(
  bundle: Uint8Array,
  peer: string,
  chainId: Uint8Array,
): { code: ErrorCode; detail: string } | undefined {
  if (bundle.length > admissionBytesMax) return { code: 'TRANSACTION_TOO_LARGE', detail: '' }
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) return { code: decoded.code, detail: decoded.detail ?? '' }
  const { transaction } = decoded.value.signed
  const { action } = transaction
  const ticket = hexToBytes(peer)
  const isOwn = ticket !== undefined && equalBytes(transaction.keyId, keyIdOf(sha256, ticket))
  const isRedeem =
    action.type === 'call' && action.target === 'ward/governance' && action.method === 'redeemTicket'
  if (isOwn && isRedeem && equalBytes(transaction.chainId, chainId)) return undefined
  return { code: 'TICKET_REFUSED', detail: 'only its own redeemTicket, signed with its key' }
}

function encodeStatus(code: ErrorCode, detail: string): Uint8Array {
  const status = statusOf(code)
  return concatBytes(new Uint8Array([serviceTag.admission, status >> 8, status & 255]), utf8(detail))
}

/** The asking side's half of `encodeStatus`; undefined when these bytes are none. */
export function decodeStatus(answer: Uint8Array): { code: ErrorCode; detail: string } | undefined {
  if (answer.length < 3 || answer[0] !== serviceTag.admission) return undefined
  const status = answer[1] * 256 + answer[2]
  const code = (Object.keys(errorTable) as ErrorCode[]).find((name) => statusOf(name) === status)
  return code && { code, detail: new TextDecoder().decode(answer.subarray(3, 259)) }
}
