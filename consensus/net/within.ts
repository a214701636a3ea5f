// A bounded wait: for the ends of what others wrote, which may never come.

/** False when `promise` has not settled after `ms` milliseconds; nobody hears of it when it settles later. */
export function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    const settled = (): void => {
      clearTimeout(timer)
      resolve(true)
    }
    promise.then(settled, settled)
  })
}
