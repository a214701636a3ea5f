// Every bound of the protocol: a unit, a reason, a test on both sides of its edge. Changing one is a
// protocol version.

export const protocolVersion = 1
/** Version of execution rules: fuel schedule, kernel tables, ids. */
export const appVersion = 1

/** One signed transaction without bodies: an append of a full vital-sign set needs about 1.5 KiB. */
export const transactionBytesMax = 65_536
/** Records under one signature: a set of vital signs with its source message fits many times. */
export const recordsPerTransactionMax = 32
/** One record body: the largest real laboratory message seen is 60 KiB. */
export const bodyBytesMax = 262_144
/** One attachment (module, page bundle). */
export const attachmentBytesMax = 524_288
export const attachmentsPerTransactionMax = 4
export const callArgumentBytesMax = 65_536
/** A transaction may be valid at most this long: bounds what a mempool must remember. */
export const validUntilAheadMsMax = 24 * 3_600_000
/** Sequences remembered per (key, stream). */
export const sequenceWindow = 1_024
/** A larger jump is refused, so that no single message locks a key out. */
export const sequenceJumpMax = 2 ** 20
export const streamMax = 15
export const fuelLimitMax = 2_000_000_000
/** Record codes are LOINC codes or names of ours. */
export const recordCodeLengthMax = 64
export const aliasLengthMax = 64
export const methodLengthMax = 64

/**
 * CBOR items in one decoded value, itself and map keys included: whatever fits 64 KiB is below it, and the
 * largest payload (4,096 bundles in each of five lanes) needs 20,486. An item costs up to 200 bytes of
 * memory for one byte of input, so that the length alone bounds nothing.
 */
export const cborItemsMax = 65_536

/** All bundles of a block, bodies included. Bounded by the transport's message bound. */
export const payloadBytesMax = 8 * 1_048_576
export const transactionsPerBlockMax = 4_096
/** About 4 seconds of the slowest admitted code on the minimum machine; typical blocks use a few percent. */
export const blockFuelMax = 4_000_000_000
export const validatorsMax = 31
export const receiptBytesMax = 65_536
export const eventsPerTransactionMax = 100
export const manifestBytesMax = 65_536
