// What proves that a validator signed two contradicting things (R30 of the consensus reference): kept in a
// file of the node's folder from the moment it is seen, shown in status and metrics. It holds no patient
// data, and anybody with the members' keys can check it: each line carries both messages and signatures.
import { existsSync, readFileSync } from 'node:fs'
import { encodeMessage, type Evidence } from '../../consensus/pbft/index.js'
import { bytesToHex, utf8 } from '../../runtime/protocol/index.js'
import { replaceFile } from '../store/durable-file.js'
import type { NodeLogger } from './node-logger.js'

/** Lines kept for each accused: more prove nothing more. */
export const evidencePerAccusedMax = 8
/** Lines in all: 31 members and those that they replaced. */
const linesMax = 512

export interface KeptEvidence {
  /** Entity id of the accused, hex. */
  readonly accused: string
  /** proposal, prepare, commit, viewChange or heartbeat. */
  readonly phase: string
  readonly epoch: number
  readonly height: number
  readonly view: number
  /** When this node learned it, ms since 1970. */
  readonly seenAt: number
  /** The EVIDENCE message of consensus/pbft/message-codec.ts, hex. */
  readonly message: string
}

export class EvidenceFile {
  readonly #path: string
  readonly #kept: KeptEvidence[]

  /** Reads what earlier starts kept; a line that is no evidence is left out. */
  constructor(path: string) {
    this.#path = path
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
    this.#kept = lines.flatMap(lineToEvidence).slice(0, linesMax)
  }

  get all(): readonly KeptEvidence[] {
    return this.#kept
  }

  /** Durable when it returns. False: known already, or enough of this accused is kept. Throws StoreError. */
  keep({ first, second }: Evidence, chainId: Uint8Array, now: number): boolean {
    const accused = bytesToHex(first.sender)
    const { type: phase, epoch, height, view } = first
    const ofAccused = this.#kept.filter((entry) => entry.accused === accused)
    const isKnown = ofAccused.some(
      (entry) =>
        entry.phase === phase && entry.height === height && entry.view === view && entry.epoch === epoch,
    )
    if (isKnown || ofAccused.length >= evidencePerAccusedMax || this.#kept.length >= linesMax) return false
    const message = bytesToHex(encodeMessage({ type: 'evidence', epoch, first, second }, chainId))
    const next = [...this.#kept, { accused, phase, epoch, height, view, seenAt: now, message }]
    replaceFile(this.#path, utf8(next.map((entry) => `${JSON.stringify(entry)}\n`).join('')))
    this.#kept.push(next[next.length - 1])
    return true
  }

  /** R30: on disk before anything else happens with it; a full disk loses the proof, not the node. */
  report(evidence: Evidence, chainId: Uint8Array, now: number, logger: NodeLogger): void {
    const accused = bytesToHex(evidence.first.sender)
    const { type: phase, height, view } = evidence.first
    const fields = { accused, phase, height, view }
    try {
      if (!this.keep(evidence, chainId, now)) return
      logger.error({ code: 'EQUIVOCATION', ...fields }, 'a validator signed two contradicting messages')
    } catch (error) {
      logger.error(
        { code: 'EVIDENCE_NOT_KEPT', ...fields, error: String(error) },
        'evidence is not on disk',
      )
    }
  }
}

function lineToEvidence(line: string): KeptEvidence[] {
  try {
    const entry = JSON.parse(line) as Partial<KeptEvidence>
    const isWhole =
      typeof entry.accused === 'string' &&
      typeof entry.phase === 'string' &&
      typeof entry.message === 'string' &&
      [entry.epoch, entry.height, entry.view, entry.seenAt].every(Number.isSafeInteger)
    return isWhole ? [entry as KeptEvidence] : []
  } catch {
    return []
  }
}
