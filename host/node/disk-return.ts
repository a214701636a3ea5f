// A node whose disk refused a write has stopped to vote and answers reads. It looks whether the disk takes
// writes again, and then goes on by itself: nothing half was written, so it starts from what is on disk.
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import { DataKey } from '../store/index.js'
import { diskOf } from './disk-space.js'
import type { Unsealed } from './unsealed.js'

const lookEveryMs = 5_000
/** More than a start and its first block need: one that fails for room again would leave a sealed node. */
const probeBytes = 8 * 2 ** 20
const probeName = 'disk-probe'

/** Codes of `host/store` that end with their cause, and what a small file beside the store may say. */
const diskCodes = /STORE_FULL|STORE_READ_ONLY|STORE_WRITE_FAILED|ENOSPC|EDQUOT|EROFS/

export const isDiskFault = (detail: string): boolean => diskCodes.test(detail)

export class DiskReturn {
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly folder: string,
    private readonly goOn: () => void,
    private readonly everyMs = lookEveryMs,
  ) {}

  onFault(detail: string): void {
    if (this.timer !== undefined || !isDiskFault(detail)) return
    this.timer = setInterval(() => {
      if (!takesWrites(this.folder)) return
      this.stop()
      this.goOn()
    }, this.everyMs)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }
}

/** Gives up everything but the key, for the next start. */
export async function leaveWithKey({ dataKey }: Unsealed, leave: () => Promise<void>): Promise<DataKey> {
  const bytes = dataKey.toBytes()
  await leave()
  return DataKey.fromBytes(bytes)
}

/** Whether a file of some MiB reaches the disk of this folder; it is removed at once. */
function takesWrites(folder: string): boolean {
  // Never the one who takes the last room.
  if ((diskOf(folder)?.freeBytes ?? Infinity) < 2 * probeBytes) return false
  const file = path.join(folder, probeName)
  try {
    const descriptor = openSync(file, 'w', 0o600)
    try {
      const part = Buffer.alloc(2 ** 20, 1)
      for (let written = 0; written < probeBytes;) {
        const count = writeSync(descriptor, part)
        if (count === 0) return false
        written += count
      }
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    return true
  } catch {
    return false
  } finally {
    try {
      rmSync(file, { force: true })
    } catch {
      // Read only: then it is not there.
    }
  }
}
