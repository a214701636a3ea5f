// The first block of a new epoch: before anything else of it runs, the recovery manifest becomes state. The
// block's header binds the manifest (epoch, parent hash, validators hash), and the state root commits to it.
import { concatBytes, equalBytes, u32Bytes } from '../protocol/bytes.js'
import type { BlockHeader } from '../protocol/block.js'
import { checkRecoverySignatures, decodeRecovery, type RecoveryFields } from '../protocol/recovery.js'
import { ok, refused, type Result } from '../protocol/result.js'
import { nodeRoles } from '../protocol/membership.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { readHead, readValidators } from './block-validity.js'
import {
  chainRow,
  decodeRow,
  encodeRow,
  onlyKey,
  pendingKey,
  store,
  validatorRow,
  type ChainRow,
} from './kernel-tables.js'
import { readInstitution } from './membership-commands.js'
import { changeNode, readNode } from './node-registry.js'
import type { ExecutionPorts } from './ports.js'

/** `$chain` at 3 ‖ epoch u32 BE: the signed part of the manifest that began this epoch. */
export const recoveryKey = (epoch: number): Uint8Array => concatBytes(new Uint8Array([3]), u32Bytes(epoch))

export type RecoveryCode =
  | 'RECOVERY_MALFORMED'
  | 'RECOVERY_STALE'
  | 'RECOVERY_OTHER_BRANCH'
  | 'RECOVERY_BELOW_TIP'
  | 'INSTITUTION_KEYS_NEEDED'

/** Where the chain stands that a manifest is held against. */
export interface RecoveryPoint {
  chainId: Uint8Array
  epoch: number
  height: number
  blockHash: Uint8Array
}

/**
 * May a node that stands here take this manifest? Its base is at the tip or above it: what is final here
 * stays final. A base above the tip is compared when the chain gets there (consensus/pbft).
 */
export function checkRecovery(
  bytes: Uint8Array,
  at: RecoveryPoint,
  state: StateReader,
  verify: ExecutionPorts['verify'],
): Result<RecoveryFields, RecoveryCode> {
  const manifest = decodeRecovery(bytes)
  if (!manifest.ok) return manifest
  const { fields } = manifest.value
  if (!equalBytes(fields.chainId, at.chainId)) return refused('RECOVERY_MALFORMED', 'of another chain')
  const quorum = readInstitution(state)
  if (quorum === undefined)
    return refused('INSTITUTION_KEYS_NEEDED', 'the genesis document names no institution keys')
  const signed = checkRecoverySignatures(manifest.value, quorum, verify)
  if (!signed.isEnough) return refused('INSTITUTION_KEYS_NEEDED', `${signed.count} of ${quorum.threshold}`)
  if (fields.epoch <= at.epoch)
    return refused('RECOVERY_STALE', `epoch ${fields.epoch}, this node is in ${at.epoch}`)
  if (fields.baseHeight < at.height)
    return refused('RECOVERY_BELOW_TIP', `base ${fields.baseHeight}, final here ${at.height}`)
  const isHere = fields.baseHeight === at.height
  if (isHere && !equalBytes(fields.baseHash, at.blockHash))
    return refused('RECOVERY_OTHER_BRANCH', `height ${at.height}`)
  return ok(fields)
}

/** Writes epoch and validators into the overlay of the first block above the base. */
export function applyRecovery(
  overlay: Overlay,
  header: BlockHeader,
  bytes: Uint8Array,
  ports: ExecutionPorts,
): Result<null, RecoveryCode> {
  const chain = decodeRow<ChainRow>(chainRow, overlay.get(store.chain, onlyKey)!)
  const { chainId, epoch } = chain
  const at = { chainId, epoch, height: Number(readHead(overlay).height), blockHash: header.parentHash }
  const checked = checkRecovery(bytes, at, overlay, ports.verify)
  if (!checked.ok) return checked
  const fields = checked.value
  if (fields.baseHeight !== header.height - 1 || fields.epoch !== header.epoch)
    return refused('RECOVERY_OTHER_BRANCH', `epoch ${header.epoch} at height ${header.height}`)
  const manifest = decodeRecovery(bytes)
  if (!manifest.ok) return manifest
  overlay.set(store.chain, onlyKey, encodeRow(chainRow, { ...chain, epoch: fields.epoch }))
  overlay.set(store.chain, recoveryKey(fields.epoch), manifest.value.signedPart)
  const former = readValidators(overlay)
  overlay.set(store.validator, onlyKey, encodeRow(validatorRow, fields.validators))
  // A change that waited was decided by the set that is gone.
  overlay.remove(store.validator, pendingKey)
  for (const { entity } of former) setRole(overlay, ports, header.height, { entity, role: observerIndex })
  for (const { entity, voteKey } of fields.validators)
    setRole(overlay, ports, header.height, { entity, voteKey, role: validatorIndex })
  return ok(null)
}

const validatorIndex = nodeRoles.indexOf('validator')
const observerIndex = nodeRoles.indexOf('observer')

function setRole(
  overlay: Overlay,
  { hash }: ExecutionPorts,
  height: number,
  seat: { entity: Uint8Array; role: number; voteKey?: Uint8Array },
): void {
  const { entity, role, voteKey } = seat
  const node = readNode(overlay, entity)
  if (node?.listed !== true) return
  const isChanged = node.role !== role || (voteKey !== undefined && !equalBytes(voteKey, node.voteKey))
  if (isChanged) changeNode(overlay, hash, entity, { role, ...(voteKey && { voteKey }) }, height)
}
