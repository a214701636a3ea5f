// Defaults of the core's timers and bounds, with the reason of each (consensus reference, section 5).

import { payloadBytesMax } from '../../runtime/protocol/limits.js'
import type { CoreConfig } from './types.js'

/** Views above the current one for which votes are kept (R26). */
export const viewsAheadMax = 4
/** Views below the current one whose COMMITs may still complete a certificate. */
export const viewsBehindMax = 4
/**
 * Executed candidates kept as overlays at one height; the pinned ones (ballot, lock, decision) are extra.
 */
export const candidatesMax = 4
/** Final blocks that catch-up holds above the tip. */
export const syncBlocksMax = 32
/** Payload bytes that catch-up holds above the tip, beside the very next block, which always fits. */
export const syncBytesMax = payloadBytesMax
/** Messages of the next height kept until this one is applied: one per sender and type. */
export const futureMessagesMax = 31 * 5
/**
 * Payload bytes in proposals of the next height: the one of the leader to come always fits, and one more.
 * Without this bound 31 members could each leave a full block here.
 */
export const futureBytesMax = 2 * payloadBytesMax
/** Certificates remembered as verified. */
export const verifiedCertificatesMax = 256
/** Conflicts reported at one height, for each accused: enough to convict, and nobody can hide another. */
export const evidencePerSenderMax = 4
/** Subjects of one alarm code at one height; further ones would only flood the log. */
export const alarmSubjectsMax = 32
/**
 * A heartbeat whose time is further from the own clock shows no life: a recorded one that was held back, or a
 * validator whose proposals would be refused for their time anyway.
 */
export const heartbeatAgeMsMax = 10_000

export const coreDefaults: Omit<CoreConfig, 'chainId' | 'epoch' | 'self' | 'version' | 'appVersion'> = {
  recoveries: [],
  // Hyperswarm's transport never retransmits before 1000 ms: a shorter timeout only causes false alarms.
  viewTimeoutMs: 1_000,
  viewTimeoutMsMax: 8_000,
  // A fifth of that floor: 1 % of a core at n = 31.
  heartbeatMs: 200,
  viewChangeResendMs: 500,
  batchWindowMs: 20,
  emergencyRequestMs: 150,
  clockSkewMsMax: 500,
  syncRetryMs: 500,
  // Leadership moves now and then without a timeout, so that a dead successor is noticed in quiet times.
  handoverHeights: 1_024,
  skipMemoryHeights: 64,
  payloadBytesMax,
}
