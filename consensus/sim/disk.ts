// A simulated disk: what was synced survives a crash, what was not may or may not.

import type { FinalBlock, SafetyRecord, SkippedLeaders } from '../pbft/types.js'
import type { AppState } from './app.js'

export interface StoredBlock {
  readonly final: FinalBlock
  readonly skipped: readonly SkippedLeaders[]
  readonly app: AppState
}

export interface Disk {
  /** Synced. */
  record: SafetyRecord | null
  /** Written, fsync not finished. */
  pendingRecord: SafetyRecord | null
  /** The record is damaged or gone: the next start is with amnesia (R17) until a new record is written. */
  isRecordLost: boolean
  /** Final blocks in order; index 0 is height `baseHeight + 1`. */
  readonly blocks: StoredBlock[]
  /** A node that came by snapshot starts above it; 0: from genesis. */
  baseHeight: number
  pendingBlock: StoredBlock | null
}

export const createDisk = (): Disk => ({
  record: null,
  pendingRecord: null,
  isRecordLost: false,
  blocks: [],
  baseHeight: 0,
  pendingBlock: null,
})

/** Final blocks from a height on, as far as this disk has them. */
export function storedFrom(disk: Disk, fromHeight: number, count: number): StoredBlock[] {
  const start = fromHeight - 1 - disk.baseHeight
  return start < 0 ? [] : disk.blocks.slice(start, start + count)
}

export function syncRecord(disk: Disk): void {
  if (disk.pendingRecord === null) return
  disk.record = disk.pendingRecord
  disk.pendingRecord = null
  disk.isRecordLost = false
}

export function syncBlock(disk: Disk): void {
  if (disk.pendingBlock !== null) disk.blocks.push(disk.pendingBlock)
  disk.pendingBlock = null
}

/** A crash: each unsynced write has reached the platter or not. */
export function crashDisk(disk: Disk, survives: () => boolean): { lost: number } {
  let lost = 0
  if (disk.pendingRecord !== null) {
    if (survives()) syncRecord(disk)
    else lost += 1
  }
  if (disk.pendingBlock !== null) {
    if (survives()) syncBlock(disk)
    else lost += 1
  }
  disk.pendingRecord = null
  disk.pendingBlock = null
  return { lost }
}
