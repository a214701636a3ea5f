// Codes of ours as HTTP statuses, and the one shape of every refusal.
import { errorTable, type ErrorCode } from '../../runtime/protocol/error-codes.js'

export interface RefusalBody {
  code: ErrorCode
  /** What happened, what was not lost, what to do next. */
  sentence: string
  detail?: string
}

const statuses: Partial<Record<ErrorCode, number>> = {
  OK: 200,
  TRANSACTION_TOO_LARGE: 413,
  SEQUENCE_REUSED: 409,
  POOL_FULL: 503,
  CREDIT_EXHAUSTED: 429,
  NODE_SEALED: 423,
  // Accepted and waiting: a client that repeats it as if it had failed would sign twice.
  NOT_FINAL_IN_TIME: 202,
  TRANSACTION_UNKNOWN: 404,
  KEYSLOT_REJECTED: 403,
  SIGN_IN_REJECTED: 403,
  SESSION_REQUIRED: 401,
  READ_NOT_GRANTED: 403,
  ADMINISTRATOR_REQUIRED: 403,
  HELD_UNKNOWN: 404,
  REQUEST_MALFORMED: 400,
  NOT_FOUND: 404,
  ORIGIN_REFUSED: 403,
  INTERNAL: 500,
  READ_FAILED: 503,
  READ_TOO_LONG: 503,
  UNLOCK_FAILED: 503,
  UNLOCK_KEYSLOTS: 503,
  UNLOCK_FOREIGN_STORE: 503,
  UNLOCK_NEWER_STORE: 503,
  UNLOCK_DAMAGED_STORE: 503,
  UNLOCK_STORE_IN_USE: 503,
  UNLOCK_DISK: 503,
  UNLOCK_UNDER_WAY: 409,
  REPLAY_UNAVAILABLE: 410,
  REPLAY_BUSY: 503,
  VIEW_BUSY: 503,
  PROOF_UNAVAILABLE: 409,
  PEERS_TOO_FEW: 503,
  NOT_LINEARIZABLE: 503,
}

/**
 * Status of a code: by table, else 422 for failed receipts (100..199) and 400 for what never enters a
 * block.
 */
export function httpStatusOf(code: ErrorCode): number {
  const listed = statuses[code]
  if (listed !== undefined) return listed
  const { number } = errorTable[code]
  return number >= 100 && number < 200 ? 422 : 400
}

/** `sentence`: said instead of the code's own. */
export function refusalBody(
  code: ErrorCode,
  detail?: string,
  sentence: string = errorTable[code].sentence,
): RefusalBody {
  return detail === undefined || detail === '' ? { code, sentence } : { code, sentence, detail }
}
