// What the person at the unlock page is told when the node could not be opened.
import { refused } from '../../runtime/protocol/index.js'
import type { Outcome } from '../api/node-port.js'
import { GatewayError } from '../gateways/hl7/codes.js'
import { StoreError } from '../store/index.js'
import { SyncError } from '../sync/snapshot-sync.js'
import { NodeError } from './node-error.js'
import type { NodeLogger } from './node-logger.js'

/** KEYSLOT_REJECTED for a wrong password; else UNLOCK_FAILED with the cause, which is logged as well. */
export function unlockFailure(error: unknown, logger: NodeLogger): Outcome<null> {
  const isExpected =
    error instanceof StoreError ||
    error instanceof NodeError ||
    error instanceof GatewayError ||
    error instanceof SyncError
  const code = isExpected ? error.code : 'INTERNAL'
  if (code === 'KEYSLOT_REJECTED') return refused('KEYSLOT_REJECTED')
  const message = error instanceof Error ? error.message : String(error)
  logger.error({ code, error: message }, 'unlock failed')
  return refused('UNLOCK_FAILED', `${code}: ${message}`)
}
