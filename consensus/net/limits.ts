// Every bound of the transport and the driver: value, unit, reason. Tests stand on both sides of each edge.

/** Version of the units in wire.ts and of the driver's messages; peers with another version are refused. */
export const protocolVersion = 1

/**
 * A unit on the wire: header and at most this much payload. 64 KiB is 2-3 ms of one link (network.md 5).
 */
export const chunkBytesMax = 64 * 1024

/** Nothing larger is looked at, whatever its type (network.md 5: rejected before allocation). */
export const unitBytesMax = 1024 * 1024

/** Whole message after reassembly, by queue class: votes, proposals and pushes, catch-up chunks. */
export const messageBytesMax: readonly [number, number, number] = [
  1024 * 1024,
  16 * 1024 * 1024,
  1024 * 1024,
]

/**
 * Our own queue towards one peer, by class. A message is also taken when the queue of its class is empty,
 * so
 * that one message at the limit above always fits. Memory per stuck peer is therefore at most the sum of
 * both.
 */
export const queueBytesMax: readonly [number, number, number] = [1024 * 1024, 8 * 1024 * 1024, 1024 * 1024]

/**
 * Credit window, by class: bytes that may be sent before the receiver has given some back. Class 2 has one
 * chunk in flight (network.md 5), so that catch-up never delays a vote by more than one chunk.
 */
export const windowBytes: readonly [number, number, number] = [512 * 1024, 1024 * 1024, chunkBytesMax]

/** Credit goes back when this share of the window was used up, or when the queue runs empty. */
export const creditShare = 4

/** Bytes written to the stream in one go before its drain mark is read. */
export const pumpBytesMax = 128 * 1024

/** A reason given with a disconnect, ASCII. */
export const reasonBytesMax = 64

/** Milliseconds. Connection timers follow network.md N4: they must be equal on both ends. */
export const validatorKeepAliveMs = 1000
export const validatorTimeoutMs = 3000
export const observerKeepAliveMs = 5000
export const observerTimeoutMs = 15000
/** A connection without a valid hello by then is closed. */
export const helloTimeoutMs = 5000
/**
 * A dial to a dead address would last 4 s and more; cut short, a healed partition is whole sooner
 * (network.md 6).
 */
export const dialTimeoutMs = 2500
/** A peer that takes nothing from a waiting queue for so long is disconnected: its memory is freed. */
export const stallMs = 20000
/** Delays between dials, and their spread: the defaults would back off to ten minutes. */
export const dialBackoffsMs: readonly number[] = [200, 400, 800, 1500]
export const dialJitterMs = 100
/** How long a close waits for other nodes before it just leaves. */
export const closePatienceMs = 300
