// How much of the disk that carries a node is free, told long before a write fails.
import { statfsSync } from 'node:fs'

export interface DiskView {
  /** What this account may still write. */
  freeBytes: number
  totalBytes: number
  /** `low` below a tenth, `scarce` below a twentieth. */
  level: 'enough' | 'low' | 'scarce'
}

const lowBelow = 0.1
const scarceBelow = 0.05

/** Undefined where the file system does not say. */
export function diskOf(folder: string): DiskView | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder)
    return blocks > 0 ? diskView(bavail * bsize, blocks * bsize) : undefined
  } catch {
    return undefined
  }
}

export function diskView(freeBytes: number, totalBytes: number): DiskView {
  const free = freeBytes / totalBytes
  const level = free < scarceBelow ? 'scarce' : free < lowBelow ? 'low' : 'enough'
  return { freeBytes, totalBytes, level }
}
