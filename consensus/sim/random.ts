// The simulator's only source of chance: one seed decides everything.

/** sfc32: 128 bits of state, passes PractRand; any integer is a good seed after the warm-up. */
export interface Random {
  /** 0 inclusive to 1 exclusive. */
  next(): number
  /** Integer from 0 to `count - 1`. */
  below(count: number): number
  /** Integer from `low` to `high`, both included. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  /** Exponential with this mean: the heavy tail of delays. */
  exponential(mean: number): number
  pick<T>(items: readonly T[]): T
  shuffle<T>(items: readonly T[]): T[]
}

export function createRandom(seed: number): Random {
  let a = seed >>> 0
  let b = Math.floor(seed / 2 ** 32) >>> 0
  let c = 0x9e3779b9
  let counter = 1
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 16; round += 1) word()
  const next = () => word() / 2 ** 32
  const below = (count: number) => Math.floor(next() * count)
  return {
    next,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability) => next() < probability,
    exponential: (mean) => -Math.log(1 - next()) * mean,
    pick: (items) => items[below(items.length)],
    shuffle: (items) => {
      const copy = [...items]
      for (let index = copy.length - 1; index > 0; index -= 1) {
        const other = below(index + 1)
        ;[copy[index], copy[other]] = [copy[other], copy[index]]
      }
      return copy
    },
  }
}
