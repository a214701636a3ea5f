// Next sequence numbers of keys that sign here. Several transactions may be under way before the first is
// final.
import { bytesToHex } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'

export class NodeSequences {
  private readonly last = new Map<string, number>()

  constructor(private readonly executor: ExecutorClient) {}

  async next(keyId: Uint8Array, stream: number): Promise<number> {
    const name = `${bytesToHex(keyId)}:${stream}`
    const used = await this.executor.call('sequence', { keyId, stream })
    const next = Math.max(used, this.last.get(name) ?? -1) + 1
    this.last.set(name, next)
    return next
  }
}
