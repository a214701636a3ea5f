// Rules on transactions that wait: the next block as this node would make it, executed and thrown away (R31).
// It decides nothing: what it gives is shown as tentative and never stored, signed or sent.
import {
  appVersion,
  bytesToHex,
  decodePayload,
  protocolVersion,
  type BlockHeader,
  type Payload,
} from '../../runtime/protocol/index.js'
import type { BlockOutcome } from '../../runtime/execution/index.js'
import type { Tip, ValidatorSet } from '../../consensus/pbft/types.js'
import type { BuildReply, TentativeReply } from './messages.js'
import { ledgerEntry, receiptEntries } from './reply-views.js'

export interface TentativeInput {
  chainId: Uint8Array
  tip: Tip
  /** Of the next block: above the tip's after a recovery. */
  epoch: number
  validators: ValidatorSet
  /** This computer's time, ms since 1970. */
  now: number
  build: (height: number, time: number) => BuildReply
  execute: (header: BlockHeader, payload: Payload) => BlockOutcome
}

/** Records by the waiting transaction that they came out of; empty when the state admits none of them. */
export function tentativeRun(input: TentativeInput): TentativeReply {
  const { tip } = input
  const height = tip.height + 1
  const time = Math.max(input.now, tip.time + 1)
  const built = input.build(height, time)
  const payload = decodePayload(built.payload)
  if (built.count === 0 || !payload.ok) return { records: [] }
  const executed = input.execute(headerOf(input, height, time, built.transactionRoots), payload.value)
  if (!executed.ok) return { records: [] }
  const sources = sourcesOf(executed.receiptsDecoded, height, time)
  const records = executed.records.map(ledgerEntry).flatMap((entry) => {
    const source = sources.get(bytesToHex(entry.id))
    return source === undefined ? [] : [{ source, entry }]
  })
  return { records }
}

/** Hashes that only a certificate would bind are those of the parent: nobody ever sees this header. */
function headerOf(
  { chainId, tip, epoch, validators }: TentativeInput,
  height: number,
  time: number,
  transactionRoots: Uint8Array[],
): BlockHeader {
  return {
    version: protocolVersion,
    appVersion,
    chainId,
    epoch,
    height,
    view: 0,
    time,
    proposer: tip.proposer,
    parentHash: tip.blockHash,
    parentResultHash: tip.resultHash,
    parentCertificateHash: new Uint8Array(32),
    transactionRoots,
    validatorsHash: validators.hash,
  }
}

/** Record id (hex) -> id of the signed transaction that it follows from, through any number of causes. */
function sourcesOf(
  receipts: Parameters<typeof receiptEntries>[0],
  height: number,
  time: number,
): Map<string, string> {
  const entries = receiptEntries(receipts, height, time)
  const causes = new Map(entries.map(({ id, cause }) => [id, cause]))
  const sources = new Map<string, string>()
  for (const { id, records } of entries) {
    let source = id
    for (let cause = causes.get(id); cause; cause = causes.get(cause)) source = cause
    for (const record of records) sources.set(record, source)
  }
  return sources
}
