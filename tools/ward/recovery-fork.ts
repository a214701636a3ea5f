// Could the old epoch and the new one both go on? Both could when a quorum of each shares no honest member.
import { faultsTolerated, quorumOf } from '../../runtime/protocol/certificate.js'

export interface ForkVerdict {
  mayFork: boolean
  /** Old members that do not vote in the new set and may still sign. */
  outside: number
}

/**
 * `gone`: members of the old set whose vote keys are destroyed. Everybody else of it may sign in the old
 * epoch until told: whoever is not named at all, and members of the new set that have not taken the
 * manifest yet.
 */
export function forkVerdict(
  old: readonly string[],
  next: readonly string[],
  gone: readonly string[],
): ForkVerdict {
  const able = old.filter((entity) => !gone.includes(entity))
  const common = able.filter((entity) => next.includes(entity)).length
  const outside = able.length - common
  const oldQuorum = quorumOf(old.length)
  if (able.length < oldQuorum) return { mayFork: false, outside }
  // The least that each quorum needs of the common members, and so the least that two of them share.
  const fromOld = Math.max(0, oldQuorum - outside)
  const fromNew = Math.max(0, quorumOf(next.length) - (next.length - common))
  const shared = fromOld + fromNew - common
  const liars = Math.min(faultsTolerated(old.length), faultsTolerated(next.length))
  return { mayFork: shared <= liars, outside }
}
