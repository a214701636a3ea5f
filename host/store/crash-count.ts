// Tells a crash loop from a crash: how often in a row a process died soon after it had opened this
// environment.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Died within this time after its start: something that it met soon may have killed it. */
const soonMs = 10 * 60_000
const loopCount = 2

export class CrashCount {
  readonly #path: string
  readonly isLoop: boolean

  /** `diedSince`: when the last owner began, ms since 1970, if it died; see `StoreLock`. */
  constructor(path: string, diedSince: number | undefined, now: () => number = Date.now) {
    this.#path = path
    const hasDiedSoon = diedSince !== undefined && now() - diedSince < soonMs
    const count = hasDiedSoon ? readCount(path) + 1 : 0
    this.isLoop = count >= loopCount
    // After a look at every page it counts anew.
    if (count > 0 && !this.isLoop) writeFileSync(path, `${count}\n`, { mode: 0o600 })
    else rmSync(path, { force: true })
  }

  endedInOrder(): void {
    rmSync(this.#path, { force: true })
  }
}

function readCount(path: string): number {
  try {
    const count = Number(readFileSync(path, 'utf8'))
    return Number.isSafeInteger(count) && count > 0 ? count : 0
  } catch {
    return 0
  }
}
