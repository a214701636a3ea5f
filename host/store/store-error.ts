// The one error of this room. Every code has a sentence and a next step in README.md.

const storeCodes = [
  'KEYSLOT_REJECTED',
  'KEYSLOT_DAMAGED',
  'KEYSLOT_MISSING',
  'KEYSLOT_LAST',
  'KEYSLOT_EPOCHS',
  'KEYSLOT_EPOCH_USED',
  'RECORD_ALTERED',
  'NEIGHBOUR_ALTERED',
  'RECORD_UNKNOWN_VERSION',
  'STORE_KEY_MISMATCH',
  'STORE_NEWER_VERSION',
  'STORE_LOCKED',
  'STORE_FULL',
  'STORE_WRITE_FAILED',
  'STORE_READ_ONLY',
  'STORE_DAMAGED',
  'STORE_CLOSED',
  'FOREIGN_FILE',
  'SNAPSHOT_EXPIRED',
  'SNAPSHOT_LIMIT',
  'HEIGHT_NOT_NEXT',
  'HEIGHT_PRUNED',
] as const

export type StoreCode = (typeof storeCodes)[number]

/** Of an error that came from another thread as a code and words. */
export const isStoreCode = (code: string): boolean => (storeCodes as readonly string[]).includes(code)

const damageCodes = ['RECORD_ALTERED', 'NEIGHBOUR_ALTERED', 'RECORD_UNKNOWN_VERSION', 'STORE_DAMAGED']

/** It does not go away by trying again. */
export const isDamage = (code: string): boolean => damageCodes.includes(code)

export class StoreError extends Error {
  readonly code: StoreCode
  constructor(code: StoreCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StoreError'
    this.code = code
  }
}
