// The dump of a fault of the executor: a JSON file in the node's folder that names what was running, for the
// vendor and for us. Ids, names and numbers only. No argument, record, message or stack of the engine is in
// it, because any of those may hold what a patient's record says.
import { readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { appVersion, protocolVersion } from '../../runtime/protocol/index.js'
import type { RunningFrame } from './execution-note.js'
import type { HeldBundle } from './held-back.js'

export interface CrashDump {
  /** ms since 1970 UTC. */
  time: number
  /** ERR_WORKER_OUT_OF_MEMORY, STUCK, NATIVE_FAILURE, PROCESS_ENDED, or the engine's name of an error. */
  reason: string
  /** The request that was carried out. */
  request: string
  running: RunningFrame | undefined
  /** What was executed: hashes of its bundles, and the ids of its transactions where they are known. */
  bundles: readonly HeldBundle[]
}

const dumpsKept = 10
const dumpPattern = /^crash-\d+\.json$/

/** Writes the dump and forgets all but the newest; the file's name, or undefined when the disk refuses. */
export function writeCrashDump(folder: string, dump: CrashDump): string | undefined {
  const name = `crash-${dump.time}.json`
  const { node, v8 } = process.versions
  const versions = { node, v8, platform: process.platform, arch: process.arch, appVersion, protocolVersion }
  const text = `${JSON.stringify({ ...dump, versions }, null, 2)}\n`
  try {
    keepDumps(folder, dumpsKept - 1, name)
    writeFileSync(path.join(folder, name), text, { mode: 0o600 })
    return name
  } catch {
    return writeInPlaceOfOlder(folder, name, text)
  }
}

/** A full disk: older dumps make room, and half a dump is none. */
function writeInPlaceOfOlder(folder: string, name: string, text: string): string | undefined {
  try {
    keepDumps(folder, readdirSync(folder).filter((file) => dumpPattern.test(file)).length - 2, name)
    writeFileSync(path.join(folder, name), text, { mode: 0o600 })
    return name
  } catch {
    rmSync(path.join(folder, name), { force: true })
    return undefined
  }
}

/** Forgets all dumps but the newest. */
function keepDumps(folder: string, count: number, besides = ''): void {
  const dumps = readdirSync(folder).filter((file) => dumpPattern.test(file) && file !== besides)
  for (const old of dumps.sort().slice(0, Math.max(0, dumps.length - count)))
    unlinkSync(path.join(folder, old))
}

/** One line for a log or a screen. */
export function crashText({ reason, request, running }: Omit<CrashDump, 'time' | 'bundles'>): string {
  if (running === undefined) return `${reason} while it carried out "${request}"; no contract was running`
  const { contract, method, height } = running
  return `${reason} in ${contract}.${method}, ${transactionText(running)}, height ${height}`
}

/** Whole ids: what never became final can be found by nothing else. */
function transactionText({ transaction, cause }: RunningFrame): string {
  if (transaction === '') return 'outside of any transaction'
  const because = cause === '' || cause === transaction ? '' : ` (because of ${cause})`
  return `transaction ${transaction}${because}`
}
