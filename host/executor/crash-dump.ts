// The dump of a fault of the executor: a JSON file in the node's folder that names what was running, for the
// vendor and for us. Ids, names and numbers only. No argument, record, message or stack of the engine is in
// it, because any of those may hold what a patient's record says.
import { readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { appVersion, protocolVersion } from '../../runtime/protocol/index.js'
import type { RunningFrame } from './execution-note.js'

export interface CrashDump {
  /** ms since 1970 UTC. */
  time: number
  /** ERR_WORKER_OUT_OF_MEMORY, STUCK, NATIVE_FAILURE, PROCESS_ENDED, or the engine's name of an error. */
  reason: string
  /** The request that was carried out. */
  request: string
  running: RunningFrame | undefined
  /** SHA-256 of the block's bundles, hex: they stay out of fresh proposals of this node. */
  bundles: readonly string[]
}

const dumpsKept = 10
const dumpPattern = /^crash-\d+\.json$/

/** Writes the dump and forgets all but the newest; the file's name, or undefined when the disk refuses. */
export function writeCrashDump(folder: string, dump: CrashDump): string | undefined {
  const name = `crash-${dump.time}.json`
  const { node, v8 } = process.versions
  const versions = { node, v8, platform: process.platform, arch: process.arch, appVersion, protocolVersion }
  try {
    writeFileSync(path.join(folder, name), `${JSON.stringify({ ...dump, versions }, null, 2)}\n`, {
      mode: 0o600,
    })
    const dumps = readdirSync(folder).filter((file) => dumpPattern.test(file))
    for (const old of dumps.sort().slice(0, -dumpsKept)) unlinkSync(path.join(folder, old))
    return name
  } catch {
    return undefined
  }
}

/** One line for a log or a screen. */
export function crashText({ reason, request, running }: Omit<CrashDump, 'time' | 'bundles'>): string {
  if (running === undefined) return `${reason} while it carried out "${request}"; no contract was running`
  const { contract, method, transaction, height } = running
  return `${reason} in ${contract}.${method}, transaction ${transaction.slice(0, 16)}, height ${height}`
}
