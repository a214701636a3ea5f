// The file that travels between the administrator and the holders of institution keys when a validator set is
// forced. Format only. What the keys sign names both sets, so an order is good once: while the first is in
// force.
import {
  countSignatures,
  decodeBorsh,
  encodeBorsh,
  forceValidatorsBytes,
  keySignatures,
  validatorsHash,
  validatorsMax,
  type KeyQuorum,
  type KeySignature,
  type Schema,
  type Validator,
} from '../../runtime/protocol/index.js'
import { sha256, verifySignature } from '../../host/keys/crypto.js'
import { CommandError } from './command-error.js'

const formatVersion = 1
/** Two full sets and as many signatures as members stay below it. */
const fileBytesMax = 16_384

export interface ForceOrder {
  chainId: Uint8Array
  epoch: number
  /** The set in force when the order was made. */
  current: Validator[]
  /** The set that votes from two blocks after the order on. */
  next: Validator[]
  signatures: KeySignature[]
}

const members: Schema = {
  vec: {
    struct: [
      ['entity', { fixed: 32 }],
      ['voteKey', { fixed: 32 }],
    ],
  },
}

const orderSchema: Schema = {
  struct: [
    ['version', 'u8'],
    ['chainId', { fixed: 32 }],
    ['epoch', 'u32'],
    ['current', members],
    ['next', members],
    ['signatures', keySignatures],
  ],
}

export function encodeForceOrder(order: ForceOrder): Uint8Array {
  const encoded = encodeBorsh(orderSchema, { version: formatVersion, ...order })
  if (!encoded.ok) throw malformed('the order', encoded.detail)
  return encoded.value
}

/** Total and strict; signatures are not checked here. */
export function decodeForceOrder(bytes: Uint8Array, name: string): ForceOrder {
  if (bytes.length > fileBytesMax) throw malformed(name, 'too large')
  const decoded = decodeBorsh(orderSchema, bytes)
  if (!decoded.ok) throw malformed(name, decoded.detail)
  const { version, ...order } = decoded.value as unknown as ForceOrder & { version: number }
  if (version !== formatVersion) throw malformed(name, `version ${version}`)
  const sizes = [order.current.length, order.next.length]
  if (sizes.some((size) => size === 0 || size > validatorsMax)) throw malformed(name, 'size of a set')
  return order
}

const malformed = (name: string, why = ''): CommandError =>
  new CommandError(
    'FORCE_MALFORMED',
    `${name} is no order for a validator set (${why}). Nothing was changed.`,
  )

/** What institution keys sign: exactly what the chain checks. */
export const bytesToForce = ({ chainId, epoch, current, next }: ForceOrder): Uint8Array =>
  forceValidatorsBytes({
    chainId,
    epoch,
    currentHash: validatorsHash(sha256, current),
    nextHash: validatorsHash(sha256, next),
  })

/** How many different keys of the quorum have signed. */
export const countForce = (order: ForceOrder, quorum: KeyQuorum): number =>
  countSignatures(quorum, bytesToForce(order), order.signatures, verifySignature)
