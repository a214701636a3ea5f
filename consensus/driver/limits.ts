// Bounds of following and catching up that the driver and the simulator share.

/** Final blocks in one answer. */
export const blocksAnswerCountMax = 32
/**
 * An observer leaves an upstream that stays behind another source for so long, milliseconds (consensus.md
 * 5).
 */
export const upstreamLagMs = 1000
/** For so long the claims of an upstream that was left count for nothing, milliseconds. */
export const upstreamDistrustMs = 30000
/** Peers that one node pushes whole blocks to (consensus.md 10). */
export const subscribersMax = 32
/** A block source that has not answered by then is passed over, milliseconds. */
export const catchUpPatienceMs = 500
