// What was being executed when the process died (R18). Before a block runs, the SHA-256 of each of its
// bundles is written to a small file; after it the file is emptied. A file that is not empty at start
// names a block that took this process down: its transactions stay out of this node's fresh proposals
// until governance has looked at them.
//
// The file holds hashes only. It is not synced: it has to survive the end of a process, not of a machine,
// and a machine that lost power crashed no executor.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { bytesToHex, decodePayload } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'

const hashPattern = /^[0-9a-f]{64}$/

export class CrashJournal {
  private readonly file: number
  /** Hex hashes of bundles whose block was being executed when an earlier process died. */
  readonly suspects: readonly string[]

  constructor(path: string) {
    this.suspects = readSuspects(path)
    this.file = openSync(path, 'w', 0o600)
  }

  begin(payloadBytes: Uint8Array): void {
    const payload = decodePayload(payloadBytes)
    if (!payload.ok) return
    const lines = payload.value.lanes.flat().map((bundle) => bytesToHex(sha256(bundle)))
    writeSync(this.file, lines.join('\n'), 0)
  }

  end(): void {
    ftruncateSync(this.file, 0)
  }

  close(): void {
    this.end()
    closeSync(this.file)
  }
}

function readSuspects(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => hashPattern.test(line))
  } catch {
    return []
  }
}
