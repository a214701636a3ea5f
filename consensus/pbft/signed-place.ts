// What signed bytes (signing.ts) say of themselves, for whoever has nothing but them and a signature.
import { equalBytes, utf8 } from '../../runtime/protocol/bytes.js'
import { voteDomains } from '../../runtime/protocol/certificate.js'
import { messageDomains } from './signing.js'
import type { SignedMessage } from './types.js'

/** Where in the protocol something was signed. */
export interface SignedPlace {
  readonly phase: SignedMessage['type']
  readonly chainId: Uint8Array
  readonly epoch: number
  readonly height: bigint
  readonly view: number
}

/** Chain id 32 ‖ epoch u32 ‖ height u64, then view u32. */
const roundBytes = 44
const headBytes = 48
const senderBytes = 32
const hashBytes = 32
const pairBytes = 2 * hashBytes

/** Bytes behind each domain. */
const forms: readonly [phase: SignedMessage['type'], domain: Uint8Array, bodyBytes: number][] = [
  ['proposal', messageDomains.proposal, headBytes + senderBytes + pairBytes],
  ['prepare', utf8(voteDomains.prepare), headBytes + pairBytes],
  ['commit', utf8(voteDomains.commit), headBytes + pairBytes],
  ['viewChange', messageDomains.viewChange, headBytes + senderBytes + pairBytes],
  ['heartbeat', messageDomains.heartbeat, headBytes + senderBytes + pairBytes + 8],
]

function split(signed: Uint8Array): { phase: SignedMessage['type']; body: Uint8Array } | undefined {
  for (const [phase, domain, bodyBytes] of forms) {
    const isOfPhase =
      signed.length === domain.length + bodyBytes && equalBytes(signed.subarray(0, domain.length), domain)
    if (isOfPhase) return { phase, body: signed.subarray(domain.length) }
  }
  return undefined
}

/** Undefined: no consensus message. */
export function placeOfSigned(signed: Uint8Array): SignedPlace | undefined {
  const message = split(signed)
  if (message === undefined) return undefined
  const { phase, body } = message
  const numbers = new DataView(body.buffer, body.byteOffset + 32, 16)
  return {
    ...{ phase, chainId: body.subarray(0, 32), epoch: numbers.getUint32(0) },
    ...{ height: numbers.getBigUint64(4), view: numbers.getUint32(12) },
  }
}

/** One place in the protocol, and no correct validator signs both; as `ward/appliance` judges it. */
export function doContradict(first: Uint8Array, second: Uint8Array): boolean {
  const [one, other] = [split(first), split(second)]
  if (one === undefined || other === undefined || one.phase !== other.phase) return false
  const { phase } = one
  const isSame = (from: number, count: number): boolean =>
    equalBytes(one.body.subarray(from, from + count), other.body.subarray(from, from + count))
  // A heartbeat tells of the final block at a height, whatever the view.
  if (!isSame(0, phase === 'heartbeat' ? roundBytes : headBytes)) return false
  if (phase === 'prepare' || phase === 'commit') return !isSame(headBytes, pairBytes)
  if (!isSame(headBytes, senderBytes)) return false
  // What justifies a proposal may differ from copy to copy.
  return !isSame(headBytes + senderBytes, phase === 'proposal' ? hashBytes : pairBytes)
}
