// A node whose disk refused a write has stopped to vote and answers reads. It looks whether the disk takes
// writes again, and then goes on by itself: nothing half was written, so it starts from what is on disk.
import { rmSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { diskOf } from './disk-space.js'

const lookEveryMs = 5_000
/** More than a start and its first block need: one that fails for room again would leave a sealed node. */
const probeBytes = 8 * 2 ** 20
const probeName = 'disk-probe'

/**
 * Codes of `host/store` that end with their cause, and what a small file beside the store may say. Not
 * STORE_WRITE_FAILED: a medium that fails would make the node start every few seconds.
 */
const diskCodes = /STORE_FULL|STORE_READ_ONLY|ENOSPC|EDQUOT|EROFS/

export const isDiskFault = (detail: string): boolean => diskCodes.test(detail)

export interface DiskLook {
  everyMs: number
  takesWrites(folder: string): Promise<boolean>
}

export class DiskReturn {
  /** From a refused write until the next start: whoever leaves meanwhile writes nothing that can wait. */
  hasFault = false
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> | undefined

  /** `goOn` tells whether it began: until it did, this goes on looking. */
  constructor(
    private readonly folder: string,
    private readonly goOn: () => boolean,
    private readonly options: DiskLook = { everyMs: lookEveryMs, takesWrites },
  ) {}

  get isWaiting(): boolean {
    return this.timer !== undefined
  }

  onFault(detail: string): void {
    if (!isDiskFault(detail)) return
    this.hasFault = true
    if (this.timer !== undefined) return
    this.timer = setInterval(() => {
      // A slow disk is asked once at a time.
      this.looking ??= this.look().finally(() => (this.looking = undefined))
    }, this.options.everyMs)
    this.timer.unref()
  }

  private async look(): Promise<void> {
    const { timer } = this
    const takes = await this.options.takesWrites(this.folder)
    // It may have been stopped meanwhile.
    if (takes && timer !== undefined && timer === this.timer && this.goOn()) void this.stop()
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    this.timer = undefined
    await this.looking
  }

  /** For a start, whoever asked for it: what came before is over. Removes what a killed process left. */
  reset(): void {
    void this.stop()
    this.hasFault = false
    try {
      rmSync(path.join(this.folder, probeName), { force: true })
    } catch {
      // Read only: the start will say so.
    }
  }
}

/** Whether a file of some MiB reaches the disk of this folder; it is removed at once. Never rejects. */
export async function takesWrites(folder: string): Promise<boolean> {
  // Never the one who takes the last room.
  if ((diskOf(folder)?.freeBytes ?? Infinity) < 2 * probeBytes) return false
  const file = path.join(folder, probeName)
  try {
    const handle = await open(file, 'w', 0o600)
    try {
      const part = Buffer.alloc(2 ** 20, 1)
      for (let written = 0; written < probeBytes;) {
        const { bytesWritten } = await handle.write(part)
        if (bytesWritten === 0) return false
        written += bytesWritten
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    return true
  } catch {
    return false
  } finally {
    // Read only: then it is not there.
    await rm(file, { force: true }).catch(() => undefined)
  }
}
