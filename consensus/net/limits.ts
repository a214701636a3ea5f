// Every bound of the transport and the driver: value, unit, reason. Tests stand on both sides of each edge.

import { payloadBytesMax } from '../../runtime/protocol/limits.js'
import { messageBytesMax as coreMessageBytesMax } from '../pbft/index.js'

export { blocksAnswerCountMax, catchUpPatienceMs, subscribersMax, upstreamLagMs } from '../driver/limits.js'

/** Version of the units in wire.ts and of the driver's messages; peers with another version are refused. */
export const protocolVersion = 1

/**
 * A unit on the wire: header and at most this much payload. 64 KiB is 2-3 ms of one link (network.md 5).
 */
export const chunkBytesMax = 64 * 1024

/** Nothing larger is looked at, whatever its type (network.md 5: rejected before allocation). */
export const unitBytesMax = 1024 * 1024

/**
 * Whole message after reassembly, by queue class: votes, proposals and pushes, catch-up. The largest
 * message of
 * consensus/pbft is a full payload with its justification; a transactions frame is smaller.
 */
export const messageBytesMax: readonly [number, number, number] = [
  1024 * 1024,
  coreMessageBytesMax + 64,
  coreMessageBytesMax + 64,
]

/**
 * The same for peers that are neither in the address book nor dialled: observers and gateways, which send
 * transactions and requests only. One bundle may fill a block's payload (runtime/protocol/limits.ts).
 */
export const strangerMessageBytesMax: readonly [number, number, number] = [
  64 * 1024,
  payloadBytesMax + 64 * 1024,
  64 * 1024,
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
/** How often what is left of a closed network is ended again, once each `closePatienceMs`. */
export const closeTriesMax = 100

/** One message between the hosts of two nodes: a key share and its labels are below 200 bytes. */
export const hostMessageBytesMax = 4096
/** A visit is one question and one answer; whoever needs longer is sent away, milliseconds. */
export const visitTimeoutMs = 6000
/** Visitors at a time: a site that powers up has as many sealed nodes as validators, each asks once. */
export const visitorsMax = 64

/** Bundles in one transactions frame, and the bytes after which a new frame is begun. */
export const bundlesPerFrameMax = 1024
export const transactionsFrameBytes = 256 * 1024
/**
 * Gossip goes into a class 1 queue only up to here: a proposal never waits behind more (about 10 ms),
 * however much
 * is being imported. What does not fit is remembered per peer, as references, up to the second bound.
 */
export const gossipQueueBytesMax = 256 * 1024
export const gossipMissedBytesMax = 4 * 1024 * 1024
/** The same for the lanes below clinical: a vital sign never waits behind more of an import (3 ms). */
export const gossipLowQueueBytesMax = 64 * 1024
/** An emergency transaction up to this size travels with the votes. */
export const urgentBundleBytesMax = 16 * 1024
/** Bundles shown to a peer that comes up, or that could not take them before. */
export const resendBytesMax = 512 * 1024
/** One answer to a block request, unless a single block is larger. */
export const blocksAnswerBytesMax = 512 * 1024
/** Time the driver's loop works before it lets sockets and timers have their turn, milliseconds. */
export const loopSliceMs = 8
/** Commit latencies and loop lags are reported to the core this often, milliseconds. */
export const measureMs = 2000
/** How often a follower looks at its upstreams, milliseconds. */
export const upstreamCheckMs = 250
/** Measured latencies above this are not believed: five times this is the longest adaptive view timeout, and
 * twice that must leave a fail-over within 3 s. */
export const measuredMsMax = 250
/** A follower passes a member's heartbeat on at most this often, milliseconds. */
export const relayHeartbeatMs = 100
/**
 * After a request for blocks, the peer's blocks are taken for so long, milliseconds; unasked ones are
 * not.
 */
export const blocksWelcomeMs = 10000
/**
 * Every so many failed dials of a peer at its pinned address one goes by key through the DHT: it may have
 * moved.
 */
export const pinnedDialsPerQuery = 3
/**
 * Messages with a wrong signature that one connection may bring at once. An honest peer brings a few around
 * the change of a key; a forger costs a signature check each.
 */
export const badSignaturesMax = 256
/** A node that catches up over the change of a key hears 5 heartbeats a second that do not fit. */
export const badSignaturesForgivenPerS = 10
/** Requests to services that one peer may have open: an honest one has one, or a few while it syncs. */
export const openRequestsMax = 8
/** What this node has open at one peer, given up ones included: always less than would cut it off. */
export const openAsksMax = openRequestsMax - 1

/**
 * Bundles that no honest peer forwards (malformed, wrong signature) which a peer may bring at once, and each
 * second; the debt that is remembered takes a minute to fill. A forger then has about a hundred checked a
 * second on average: a hundredth of a core.
 */
export const forgedBurst = 256
export const forgedPerSecond = 10
export const forgedDebtMax = 600
/**
 * Bytes of one peer's transactions that wait for the pool, over all its connections: more than one
 * connection lets in (two windows and the largest message), so that only who comes back again and again
 * meets it.
 */
export const intakeBytesMax = 12 * 1024 * 1024
/** Peers whose forgeries are remembered before those with none are forgotten. */
export const intakePeersMax = 4096
