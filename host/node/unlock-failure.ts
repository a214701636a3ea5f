// What the person at the unlock page is told when the node could not be opened.
import { refused, type ErrorCode } from '../../runtime/protocol/index.js'
import type { Outcome } from '../api/node-port.js'
import { GatewayError } from '../gateways/hl7/codes.js'
import { StoreError } from '../store/index.js'
import { SyncError } from '../sync/snapshot-sync.js'
import { NodeError } from './node-error.js'
import type { NodeLogger } from './node-logger.js'

/** Each cause has a next step of its own. Not STORE_WRITE_FAILED: a failed read is told by it as well. */
const byCause: Readonly<Partial<Record<string, ErrorCode>>> = {
  KEYSLOT_REJECTED: 'KEYSLOT_REJECTED',
  KEYSLOT_DAMAGED: 'UNLOCK_KEYSLOTS',
  KEYSLOT_MISSING: 'UNLOCK_KEYSLOTS',
  FOREIGN_FILE: 'UNLOCK_FOREIGN_STORE',
  STORE_NEWER_VERSION: 'UNLOCK_NEWER_STORE',
  RECORD_UNKNOWN_VERSION: 'UNLOCK_NEWER_STORE',
  RECORD_ALTERED: 'UNLOCK_DAMAGED_STORE',
  NEIGHBOUR_ALTERED: 'UNLOCK_DAMAGED_STORE',
  STORE_KEY_MISMATCH: 'UNLOCK_DAMAGED_STORE',
  STORE_DAMAGED: 'UNLOCK_DAMAGED_STORE',
  TREE_PAGE_MISSING: 'UNLOCK_DAMAGED_STORE',
  TREE_PAGE_MISMATCH: 'UNLOCK_DAMAGED_STORE',
  STORE_LOCKED: 'UNLOCK_STORE_IN_USE',
  STORE_FULL: 'UNLOCK_DISK',
  STORE_READ_ONLY: 'UNLOCK_DISK',
}

/** KEYSLOT_REJECTED for a wrong password; UNLOCK_FAILED with the cause for all that is not the store's. */
export function unlockFailure(error: unknown, logger: NodeLogger): Outcome<null> {
  const isExpected =
    error instanceof StoreError ||
    error instanceof NodeError ||
    error instanceof GatewayError ||
    error instanceof SyncError
  const code = isExpected ? error.code : 'INTERNAL'
  const cause = causeOf(error)
  const said = (cause && byCause[cause.code]) ?? 'UNLOCK_FAILED'
  if (said === 'KEYSLOT_REJECTED') return refused(said)
  const message = error instanceof Error ? error.message : String(error)
  logger.error({ code, error: message }, 'unlock failed')
  if (said === 'UNLOCK_DISK' && cause) return refused(said, `${cause.code}: ${diskAdvice(cause.code)}`)
  const words =
    said === 'UNLOCK_FAILED' || !cause ? `${code}: ${message}` : `${cause.code}: ${cause.message}`
  return refused(said, words)
}

const diskAdvice = (code: string): string =>
  code === 'STORE_READ_ONLY'
    ? "the node's folder cannot be written: its disk is read only (`mount -o remount,rw`), or its files belong to another account"
    : "the disk of the node's folder has no room"

/** What the store says; from the executor's thread it comes as code and words of the thread's failure. */
function causeOf(error: unknown): { code: string; message: string } | undefined {
  if (error instanceof StoreError) return error
  if (!(error instanceof NodeError) || error.code !== 'EXECUTOR_FAILED') return undefined
  const [, code, message] = /^([A-Z_]+)(?::| while) (.*)$/s.exec(error.detail) ?? []
  return code === undefined ? undefined : { code, message }
}
