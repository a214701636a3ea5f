// A certified block gave another result here (R18): this node stops, and what its own execution wrote is kept
// in a file of its folder, for `ward doctor --compare`. No values of patients are in it.
import { hexToBytes, utf8 } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import { replaceFile } from '../store/durable-file.js'
import { nodeFiles } from './node-config.js'
import type { NodeLogger } from './node-logger.js'

export interface DivergencePorts {
  folder: string
  executor: Pick<ExecutorClient, 'call'>
  logger: NodeLogger
}

/** `detail` as the core gives it with RESULT_DIVERGENCE. Never rejects: the node stops for another reason. */
export async function keepDivergence(
  detail: Readonly<Record<string, unknown>>,
  { folder, executor, logger }: DivergencePorts,
): Promise<void> {
  const file = nodeFiles(folder).divergence
  try {
    const blockHash = hexToBytes(String(detail.block)) ?? new Uint8Array(0)
    const report = await executor.call('divergence', { blockHash })
    if (report === null)
      return logger.error({ block: detail.block }, 'no report: the block is not held here')
    const certifiedResult = String(detail.certifiedResult)
    replaceFile(file, utf8(`${JSON.stringify({ ...report, certifiedResult })}\n`))
    const { height } = report
    logger.error({ file, height }, 'this node got another result: see `ward doctor --compare`')
  } catch (error) {
    logger.error({ file, error: String(error) }, 'the report of the divergence could not be kept')
  }
}
