// A certified block gave another result here (R18): this node stops, and what its own execution wrote is kept
// in a sealed file of its folder, for `ward doctor --compare`. Sealed, because the salt of its value hashes
// is in the founding document, which lies beside it: whoever has both may guess small values.
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { hexToBytes, utf8 } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import { overwriteAndUnlink } from '../store/durable-file.js'
import { writeSealedFile, type DataKey } from '../store/index.js'
import type { NodeLogger } from './node-logger.js'

export interface DivergencePorts {
  folder: string
  dataKey: DataKey
  executor: Pick<ExecutorClient, 'call'>
  logger: NodeLogger
}

/** 20 MB each at most. */
const filesKept = 3
const filePattern = /^divergence-(\d{1,15})\.sealed$/

/** Files of a node's folder, the highest block first. */
export function divergenceFiles(folder: string): string[] {
  const heightOf = (name: string): number => Number(filePattern.exec(name)?.[1] ?? Number.NaN)
  return readdirSync(folder)
    .filter((name) => filePattern.test(name))
    .sort((left, right) => heightOf(right) - heightOf(left))
    .map((name) => path.join(folder, name))
}

/** `detail` as the core gives it with RESULT_DIVERGENCE. Never rejects: the node stops for another reason. */
export async function keepDivergence(
  detail: Readonly<Record<string, unknown>>,
  { folder, dataKey, executor, logger }: DivergencePorts,
): Promise<void> {
  try {
    const blockHash = hexToBytes(String(detail.block)) ?? new Uint8Array(0)
    const report = await executor.call('divergence', { blockHash })
    if (report === null)
      return logger.error({ block: detail.block }, 'no report: the block is not held here')
    const { height } = report
    const file = path.join(folder, `divergence-${height}.sealed`)
    const content = utf8(JSON.stringify({ ...report, certifiedResult: String(detail.certifiedResult) }))
    writeSealedFile(file, dataKey, content)
    content.fill(0)
    for (const old of divergenceFiles(folder).slice(filesKept)) overwriteAndUnlink(old)
    logger.error({ file, height }, 'this node got another result: see `ward doctor --compare`')
  } catch (error) {
    logger.error({ folder, error: String(error) }, 'the report of the divergence could not be kept')
  }
}

/** An earlier version kept the report as a plain file, which lies there for ever otherwise. Never throws. */
export function dropPlainDivergence(folder: string, logger: NodeLogger): void {
  const file = path.join(folder, 'divergence.json')
  try {
    if (!existsSync(file)) return
    overwriteAndUnlink(file)
    logger.warn({ file }, 'a plain report of an earlier version was overwritten and removed')
  } catch (error) {
    logger.warn({ file, error: String(error) }, 'a plain report of an earlier version could not be removed')
  }
}
