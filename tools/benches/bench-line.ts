// One line of `npm run bench`: DESIGN section 12. Fields that do not apply are left out.

export interface BenchLine {
  name: string
  value: number
  unit: string
  /** The same by processor time: says more than the clock on a busy machine. */
  cpu?: number
  p50?: number
  p99?: number
  baseline?: string
  ratio?: number
  input?: string
  /** What must never happen and did, in sentences: the command fails. */
  fault?: string
  /** `calibration`: fuel in force, fuel that follows from the measured cost, and their ratio. */
  price?: number
  derived?: number
  priceToDerived?: number
}

export interface Bench {
  name: string
  run(): Promise<BenchLine[]>
}

/** Value at a quantile of a sorted or unsorted sample; 0 for an empty one. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((left, right) => left - right)
  if (sorted.length === 0) return 0
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}

export const rounded = (value: number): number => Math.round(value * 100) / 100
