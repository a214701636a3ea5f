// A node's folder as it stands after work: keyslots, identity, a chain with blocks, votes. Real files,
// cheap passwords.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { NodeCard } from '../founding/cards.js'
import { initNode } from '../founding/init-node.js'
import { nodeFiles } from '../node/node-config.js'
import { openKeyslot, openVotesStore } from '../store/index.js'
import { applyNext, openBed } from '../store/chain-store.fixture.js'

export const storePassword = new TextEncoder().encode('store password of the test')

export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-appliance-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Founds a node and gives it a few blocks and one vote record. Returns its card. */
export async function workedNode(folder: string, blockCount = 5): Promise<NodeCard> {
  const card = await initNode({
    folder,
    config: {
      name: 'test-node',
      role: 'validator',
      apiPort: 0,
      host: '127.0.0.1',
      port: 7_777,
      sources: [],
      environment: 'TEST',
    },
    password: storePassword,
    cost: { passes: 1, memoryKiB: 64 },
  })
  const files = nodeFiles(folder)
  const dataKey = await openKeyslot(files.keyslots, storePassword)
  mkdirSync(files.chain)
  const bed = openBed(files.chain, dataKey)
  for (let block = 0; block < blockCount; block += 1) applyNext(bed)
  await bed.store.close()
  const votes = openVotesStore(files.votes, dataKey, { create: true })
  votes.persist({ record: new Uint8Array([1, 2, 3]), put: [], drop: [] })
  await votes.close()
  dataKey.close()
  return card
}
