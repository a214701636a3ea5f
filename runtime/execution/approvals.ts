// The hospital's approval of versions. A version is signed by its vendor, who deploys it, and approved by a
// person of the hospital; no alias switches to a version that only one of the two has signed.
import { bytesToHex, equalBytes } from '../protocol/bytes.js'
import { entityKind } from '../protocol/entity.js'
import type { ErrorCode } from '../protocol/error-codes.js'
import { ok, refused, type Result } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { readEntity } from './entities.js'
import { approvalRow, decodeRow, encodeRow, store, type ApprovalRow } from './kernel-tables.js'

export function readApproval(state: StateReader, address: Uint8Array): ApprovalRow | undefined {
  const row = state.get(store.approval, address)
  return row === undefined ? undefined : decodeRow<ApprovalRow>(approvalRow, row)
}

export function putApproval(
  overlay: Overlay,
  approval: { address: Uint8Array; approver: Uint8Array; height: number },
): void {
  const { address, approver, height } = approval
  overlay.set(store.approval, address, encodeRow(approvalRow, { approver, height: BigInt(height) }))
}

export function withdrawApproval(overlay: Overlay, address: Uint8Array): void {
  overlay.remove(store.approval, address)
}

/**
 * Two persons: the approver is a person who signed this very call, and not the vendor who signed the
 * version. Codes: APPROVAL_REFUSED with the rule that is broken.
 */
export function checkApprover(
  state: StateReader,
  version: { address: Uint8Array; vendor: Uint8Array },
  signer: Uint8Array | undefined,
): Result<Uint8Array, ErrorCode> {
  if (signer === undefined) return refused('APPROVAL_REFUSED', 'no person signed this call itself')
  if (equalBytes(signer, version.vendor)) {
    return refused(
      'APPROVAL_REFUSED',
      `${bytesToHex(version.address)}: its vendor does not approve, another person does`,
    )
  }
  if (readEntity(state, signer)?.kind !== entityKind.person) {
    return refused('APPROVAL_REFUSED', 'the approver is not enrolled as a person')
  }
  return ok(signer)
}
