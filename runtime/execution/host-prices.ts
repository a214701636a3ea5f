// The price of every host function: consensus data, apart from what the functions do. A changed number is a
// new fuel schedule version. Start values of the runtime reference, section 5; 1 fuel is about 1 ns on the
// minimum machine.

export interface HostPrice {
  base: number
  /** For each byte read from the guest. */
  perByteIn: number
  /** For each byte given to the guest or its result buffer. */
  perByteOut: number
  /** For each row that a search gives. */
  perItem: number
}

const price = (base: number, perByteIn = 0, perByteOut = 0, perItem = 0): HostPrice => ({
  base,
  perByteIn,
  perByteOut,
  perItem,
})

/** One row for each import of `wardchain_v1`; a test compares the two lists. */
export const hostPricesV1 = {
  input_len: price(100),
  input_read: price(300, 0, 1),
  result_len: price(100),
  result_read: price(300, 0, 1),
  return_set: price(300, 1),
  abort: price(300, 1),
  context_read: price(300, 0, 1),
  fuel_left: price(100),
  state_get: price(5_000, 1, 2),
  state_set: price(20_000, 4),
  state_remove: price(20_000, 4),
  ordered_put: price(25_000, 4),
  ordered_remove: price(25_000, 4),
  state_scan: price(5_000, 1, 2, 1_000),
  record_get: price(5_000, 1, 2),
  record_query: price(8_000, 1, 2, 2_000),
  /** Each code asked for is an item, found or not. */
  record_latest: price(5_000, 1, 2, 5_000),
  record_emit: price(60_000, 6),
  alert_raise: price(2_000, 2),
  event_emit: price(2_000, 4),
  explain: price(500, 2),
  log_write: price(300, 1),
  contract_call: price(2_000, 1, 1),
  answer_frozen_since: price(100),
  timer_set: price(60_000, 4),
  timer_cancel: price(60_000),
  sha256: price(500, 2),
  ed25519_verify: price(300_000, 1),
  kernel_command: price(20_000, 4),
} as const satisfies Record<string, HostPrice>

export type HostFunctionName = keyof typeof hostPricesV1
export type HostPrices = Readonly<Record<HostFunctionName, HostPrice>>

/** Version 2: a call pays for each row of the state that its target's name is looked up in. */
export const hostPricesV2: HostPrices = { ...hostPricesV1, contract_call: price(2_000, 1, 1, 5_000) }

/** Under a schedule that this node knows; `ModuleCache.metering` is the fault for any other. */
export const hostPricesOf = (fuelSchedule: number): HostPrices =>
  fuelSchedule < 2 ? hostPricesV1 : hostPricesV2

/**
 * A timer is due this long after the block that sets it, or later: one that sets itself again at once would
 * make block after block due. Schedule 1 had no such floor.
 */
export const timerDelayMs = (fuelSchedule: number): number => (fuelSchedule < 2 ? 0 : 1_000)

/** Prices of the kernel's own work for a transaction. */
export const kernelPrices = {
  /**
   * One policy question, memoised or not, so that a restarted replica counts the same fuel. Paid by the
   * system.
   */
  policyQuestion: 150_000,
  /** One appended record: row, head, indexes. */
  record: 60_000,
  recordByte: 4,
  /** Largest fuel of one policy answer; a policy that needs more has failed. */
  policyFuelMax: 5_000_000,
} as const

/**
 * Fuel for the codes of one `record_query` after the first, each a search of its own that reads up to
 * `countMax` rows of which the merged answer may leave out all.
 */
export const furtherCodesPrice = (codeCount: number, countMax: number): number =>
  Math.max(0, codeCount - 1) * (hostPricesV1.record_query.perItem + rowReadPrice * countMax)

/** Fuel for a row that a search reads and may leave out; measured about 1 µs. */
const rowReadPrice = 300

/** Caps of the host functions, bytes unless said (runtime reference, section 6). */
export const hostCaps = {
  inputBytes: 65_536,
  resultBytes: 65_536,
  returnBytes: 65_536,
  messageBytes: 1_024,
  keyBytes: 256,
  partitionBytes: 256,
  valueBytes: 65_536,
  scanItems: 100,
  /** Codes of one `record_latest`. */
  latestCodes: 32,
  emittedBytes: 65_536,
  alertBytes: 4_096 * 4,
  eventBytes: 4_096,
  eventsBytesPerTransaction: 16_384,
  topicBytes: 64,
  explainBytes: 1_024,
  explainEntriesPerFrame: 64,
  logBytes: 1_024,
  logBytesPerFrame: 16_384,
  timerArgumentBytes: 4_096,
  timersPerContract: 10_000,
  /** Of one contract, set by runs about one patient: no patient's readings use up all that it may have. */
  timersPerPatient: 256,
  hashBytes: 65_536,
  commandBytes: 65_536,
  /** Records that one transaction may emit: its receipt lists them all. */
  recordsEmitted: 128,
  depth: 8,
  frames: 64,
  /** 64 KiB pages, summed over the open frames of a transaction. */
  pages: 256,
} as const
