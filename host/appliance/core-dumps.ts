// A core dump would carry keys and records to the disk. The unit forbids it; a daemon that was started by
// hand forbids it itself. Node.js cannot set a limit of its own process, so two things are done that it can:
//
// - `/proc/self/coredump_filter` 0: no memory goes into a dump (core(5)), not into one that is piped to a
//   program either, for which the limit does not count;
// - `prlimit` of util-linux on this process: no file at all.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

const filterPath = '/proc/self/coredump_filter'
/** A machine that hangs here must not keep the node from its start. */
const toolMsMax = 10_000

export interface DumpState {
  /** Nothing of the memory can get into a dump. */
  withoutMemory: boolean
  /** Not even an empty one is written as a file. */
  withoutFile: boolean
}

/** For this process, all its threads, and those that it starts. Never throws. */
export function denyCoreDumps(): DumpState {
  attempt(() => writeFileSync(filterPath, '0'))
  if (!hasNoFile()) {
    const limit = ['--core=0:0', '--pid', String(process.pid)]
    attempt(() => execFileSync('prlimit', limit, { stdio: 'ignore', timeout: toolMsMax }))
  }
  return { withoutMemory: hasNoMemory(), withoutFile: hasNoFile() }
}

/**
 * One of the two protections is enough, but the limit is none where dumps are handed to a program (`|`) or a
 * socket (`@`): it counts for files alone (core(5)).
 */
export function mayLeaveDump(
  { withoutMemory, withoutFile }: DumpState,
  corePattern = attempt(() => readFileSync('/proc/sys/kernel/core_pattern', 'utf8')),
): boolean {
  const isFile = corePattern !== undefined && !/^[|@]/.test(corePattern)
  return !withoutMemory && !(withoutFile && isFile)
}

const hasNoMemory = (): boolean => {
  const filter = attempt(() => readFileSync(filterPath, 'utf8'))
  return filter !== undefined && /^0+\s*$/.test(filter)
}

/** Soft and hard limit are 0, as Linux tells them. */
const hasNoFile = (): boolean => {
  const limits = attempt(() => readFileSync('/proc/self/limits', 'utf8'))
  return limits !== undefined && /^Max core file size +0 /m.test(limits)
}

export const dumpAdvice =
  'a crash of this process could write its memory, keys and records among it, to a disk: end it, then start it ' +
  'as a service (`ward service install`) or after `ulimit -c 0` in the same shell'

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
