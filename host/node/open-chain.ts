// Opening the chain in the executor's thread.
import type { ExecutorClient } from '../executor/executor-client.js'
import type { OpenReply } from '../executor/messages.js'
import type { DataKey } from '../store/index.js'

/** The copy of the key that the thread is sent is zeroed here. */
export async function openChain(
  executor: ExecutorClient,
  folder: string,
  dataKey: DataKey,
  genesis: Uint8Array | null,
): Promise<OpenReply> {
  const keyBytes = dataKey.toBytes()
  try {
    return await executor.call('open', { folder, dataKey: keyBytes, genesis })
  } finally {
    keyBytes.fill(0)
  }
}
