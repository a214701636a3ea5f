// What a bench of this room returns: one line each, printed as JSON by `npm run bench`.
export interface BenchLine {
  name: string
  value: number
  unit: string
  p50?: number
  p99?: number
  baseline?: string
  ratio?: number
  input?: string
}

export interface Bench {
  name: string
  run(): Promise<BenchLine[]>
}

export const percentile = (list: readonly number[], part: number): number => {
  const sorted = [...list].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
}

export const median = (list: readonly number[]): number => percentile(list, 0.5)
