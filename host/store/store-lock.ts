// One process for each environment. The lock file names its owner; a dead owner's lock is taken over.
import { closeSync, openSync, readFileSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { writeAll } from './durable-file.js'
import { engineError } from './engine-error.js'
import { StoreError } from './store-error.js'
import { randomBytes } from './sodium.js'

export class StoreLock {
  readonly #path: string
  readonly #content: string

  /** When the owner began that died with the lock, ms since 1970; undefined when it was let go of. */
  readonly diedSince: number | undefined

  private constructor(path: string, content: string, diedSince: number | undefined) {
    this.#path = path
    this.#content = content
    this.diedSince = diedSince
  }

  /** Throws STORE_LOCKED while another process (or another part of this one) has the store open. */
  static take(path: string): StoreLock {
    const token = Buffer.from(randomBytes(8)).toString('hex')
    const content = `${process.pid} ${startTimeOf(process.pid) ?? '?'} ${token}\n`
    let diedSince: number | undefined
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (createExclusively(path, content)) return new StoreLock(path, content, diedSince)
      const owner = readOwner(path)
      if (owner === undefined) continue
      if (isHeldBy(owner)) {
        throw new StoreError('STORE_LOCKED', `${path} is held by process ${owner.split(' ')[0]}`)
      }
      // Rename first: of two processes that find the same dead owner only one can move its file away.
      try {
        diedSince = statSync(path).mtimeMs
        renameSync(path, `${path}.${token}`)
        unlinkSync(`${path}.${token}`)
      } catch {
        continue
      }
    }
    throw new StoreError('STORE_LOCKED', `${path} is changing hands`)
  }

  /** Whether a process that lives holds it. Needs no room on the disk, and leaves all as it is. */
  static isHeld(path: string): boolean {
    const owner = readOwner(path)
    return owner !== undefined && isHeldBy(owner)
  }

  release(): void {
    if (readOwner(this.#path) === this.#content.trim()) unlinkSync(this.#path)
  }
}

function createExclusively(path: string, content: string): boolean {
  try {
    const file = openSync(path, 'wx', 0o600)
    try {
      writeAll(file, Buffer.from(content))
    } catch (error) {
      // A lock that names nobody would never be taken over.
      unlinkSync(path)
      throw error
    } finally {
      closeSync(file)
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw engineError(error, `locking ${path}`)
  }
}

function readOwner(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function isHeldBy(owner: string): boolean {
  const [pid, startTime] = owner.split(' ')
  return isAlive(Number(pid), startTime)
}

/** A process id alone is not enough: after a restart another program may have it. */
function isAlive(pid: number, startTime: string | undefined): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = startTimeOf(pid)
  return now === undefined || startTime === '?' || now === startTime
}

/** Field 22 of /proc/<pid>/stat: clock ticks since boot. Undefined where there is no /proc. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}
