// A data key on its way to a thread. A message is serialised into ordinary memory that nobody zeroes when it
// is freed, so a key inside would outlive the sealing of the node. It goes in memory that both threads share:
// the taker zeroes it, and so does the lender when the answer is there or the thread is gone.

interface WithKey {
  dataKey: Uint8Array
}

const hasKey = (argument: unknown): argument is WithKey =>
  (argument as Partial<WithKey> | null)?.dataKey instanceof Uint8Array

/** For the sender: what to post, and what to call when it was answered. The given bytes stay the caller's. */
export function lendKey(argument: unknown): { lent: unknown; forget: () => void } {
  if (!hasKey(argument)) return { lent: argument, forget: () => undefined }
  const { dataKey } = argument
  const shared = new Uint8Array(new SharedArrayBuffer(dataKey.length))
  shared.set(dataKey)
  return { lent: { ...argument, dataKey: shared }, forget: () => void shared.fill(0) }
}

/** For the thread: works with a copy of its own and zeroes both, however the work ends. */
export function withTakenKey<A, T>(argument: A, work: (argument: A) => T): T {
  if (!hasKey(argument)) return work(argument)
  const dataKey = Uint8Array.from(argument.dataKey)
  argument.dataKey.fill(0)
  try {
    return work({ ...argument, dataKey })
  } finally {
    dataKey.fill(0)
  }
}
