// Loaded into the node processes of a bench with `--import`, in the main thread and in each worker thread:
// takes a sampling profile while the file `go` lies in the folder, and leaves shares of processor time there.
// No part of a node knows of it.
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import path from 'node:path'
import { isMainThread, threadId } from 'node:worker_threads'
import { sharesOf, type CpuProfile, type ThreadShares } from './cpu-shares.js'

const folder = process.env.WARD_BENCH_PROFILE
/** Whole profiles are kept here, for a browser's developer tools. */
const keep = process.env.WARD_BENCH_KEEP
/** Between two looks at the folder: a window of seconds does not notice it. */
const lookMs = 250
/** A window of seconds has thousands of samples, and the thread loses about a hundredth of its time. */
const sampleUs = 2_000

/** Processor time of the calling thread so far, in µs; 0 where the kernel does not tell. */
function threadCpuUs(): number {
  try {
    const task = readlinkSync('/proc/thread-self')
    return Number(readFileSync(`/proc/${task}/schedstat`, 'utf8').split(' ')[0]) / 1_000
  } catch {
    return 0
  }
}

function watch(own: string): void {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: sampleUs })
  let before: { thread: number; all: NodeJS.CpuUsage } | undefined
  const timer = setInterval(() => {
    const isOn = existsSync(path.join(own, '..', 'go'))
    if (isOn && before === undefined) {
      before = { thread: threadCpuUs(), all: process.cpuUsage() }
      session.post('Profiler.start')
    } else if (!isOn && before !== undefined) {
      const { thread, all } = before
      before = undefined
      const used = process.cpuUsage(all)
      session.post('Profiler.stop', (_error, answer) => {
        const { profile } = answer as { profile: CpuProfile }
        const report: ThreadShares = {
          isMainThread,
          cpuUs: threadCpuUs() - thread,
          processCpuUs: used.user + used.system,
          ...sharesOf(profile),
        }
        writeFileSync(path.join(own, `${threadId}.json`), JSON.stringify(report))
        if (keep !== undefined)
          writeFileSync(path.join(keep, `${process.pid}-${threadId}.cpuprofile`), JSON.stringify(profile))
      })
    }
  }, lookMs)
  timer.unref()
}

if (folder !== undefined) {
  const own = path.join(folder, String(process.pid))
  mkdirSync(own, { recursive: true })
  watch(own)
}
