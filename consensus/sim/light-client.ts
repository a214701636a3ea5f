// A light client and a snapshot, as the simulator models them: what they may believe follows from
// certificates alone (S14, S15). Verification is that of runtime/protocol; members are known only by the
// certified hash.

import { blockHash, encodeHeader, encodeResult, resultHash } from '../../runtime/protocol/block.js'
import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { verifyCertificate } from '../../runtime/protocol/certificate.js'
import type { FinalBlock, ValidatorSet } from '../pbft/types.js'
import { setOfHash, stateRootOf, validatorSetOf, type AppState } from './app.js'
import { fakeHash, fakeVerify } from './fake-crypto.js'
import type { Random } from './random.js'

export interface LightClient {
  height: number
  /** Hash of the last header that it believes; genesis: zeros. */
  parentHash: Uint8Array
  /** Members of the next height. */
  members: ValidatorSet
  /** Pairs that it believes, from height 1. */
  readonly accepted: string[]
}

export const createLightClient = (genesis: ValidatorSet): LightClient => ({
  height: 0,
  parentHash: new Uint8Array(32),
  members: genesis,
  accepted: [],
})

/** True when it believes that this is the block after the last one that it believes. */
export function showToLightClient(client: LightClient, chainId: Uint8Array, final: FinalBlock): boolean {
  const { block, result, certificate } = final
  const { header } = block
  if (header.height !== client.height + 1 || certificate.height !== header.height) return false
  if (!equalBytes(header.parentHash, client.parentHash)) return false
  const hash = blockHash(fakeHash, encodeHeader(header))
  if (!equalBytes(hash, certificate.blockHash)) return false
  if (!equalBytes(resultHash(fakeHash, encodeResult(result)), certificate.resultHash)) return false
  const { members } = client.members
  const chain = { chainId, epoch: header.epoch, validators: members }
  if (!verifyCertificate(certificate, chain, fakeVerify, 'commit').ok) return false
  const next = setOfHash(result.nextValidatorsHash)
  if (next === undefined) return false
  client.height = header.height
  client.parentHash = hash
  client.members = next
  client.accepted.push(`${bytesToHex(hash)}${bytesToHex(certificate.resultHash)}`)
  return true
}

/** What a peer offers to a node that is far behind. Only the chain of certified blocks vouches for it. */
export interface SnapshotOffer {
  /** Every final block up to its height: a light client follows them, nobody executes them. */
  readonly finals: readonly FinalBlock[]
  readonly state: AppState
}

/** S15: taken only when every header is certified and the state has the root that the last one certifies. */
export function isSnapshotGenuine(
  offer: SnapshotOffer,
  genesis: ValidatorSet,
  chainId: Uint8Array,
): boolean {
  const client = createLightClient(genesis)
  if (!offer.finals.every((final) => showToLightClient(client, chainId, final))) return false
  const last = offer.finals.at(-1)
  if (last === undefined) return false
  const { state } = offer
  // The list of ids is checked against the sum and the count that the root covers.
  let sum = 0
  for (const id of state.executed) sum = (sum + Math.imul(id, 0x9e3779b1)) >>> 0
  if (sum !== state.executedSum || state.height !== client.height) return false
  if (!equalBytes(stateRootOf(state), last.result.stateRoot)) return false
  return equalBytes(validatorSetOf(state.next).hash, last.result.nextValidatorsHash)
}

/** F29: wrong chunks, fields that nothing would cover if the root did not, or a chain cut short. */
export function changedOffer(random: Random, { finals, state }: SnapshotOffer): SnapshotOffer {
  const [first, ...others] = state.executed
  const accounts = state.accounts.map((account) => ({ ...account, credit: account.credit + 1 }))
  const states: AppState[] = [
    { ...state, accounts },
    { ...state, executed: new Set(others) },
    { ...state, executed: new Set([...others, first + 1_000_000]) },
    { ...state, dueTime: state.dueTime + 1 },
    { ...state, next: state.afterNext.slice(1), afterNext: state.afterNext.slice(1) },
    { ...state, height: state.height + 1 },
    { ...state, root: state.root.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) },
  ]
  const cut = [...finals.slice(0, -2), finals[finals.length - 1]]
  return random.chance(0.2) ? { finals: cut, state } : { finals, state: random.pick(states) }
}
