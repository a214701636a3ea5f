// A process of its own that carries out given blocks on a chain store, as a node does, until it has done what
// it was told; then it waits for its parent to kill it, or closes the store.
// Arguments: folder, height to reach, `committed` (killed after that block's commit), `executed` (killed
// with that block carried out and not committed) or `closed`. Lines: "open <height> <root>", then
// "block <height> <root>" after each commit, and "stands" when it waits to be killed.
import { readFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { ExecutorCore } from '../host/executor/executor-core.js'
import type { OpenReply } from '../host/executor/messages.js'
import type { ExecuteOutcome } from '../consensus/net/ports.js'
import { sha256 } from '../host/keys/crypto.js'
import { bytesToHex, decodeHeader } from '../runtime/protocol/index.js'
import type { GivenBlock } from './contract-chain.fixture.js'

const [folder, target, ending] = process.argv.slice(2)
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(path.join(folder, name)))
const say = (line: string): void => void writeSync(1, `${line}\n`)
const blocks = JSON.parse(readFileSync(path.join(folder, 'blocks.json'), 'utf8')) as GivenBlock[]

const core = new ExecutorCore()
const open = core.handle('open', {
  folder: path.join(folder, 'chain'),
  dataKey: read('data-key'),
  genesis: read('genesis.cbor'),
}) as OpenReply
say(`open ${open.tip.height} ${bytesToHex(open.tip.result.stateRoot)}`)

for (let height = open.tip.height + 1; height <= Number(target); height += 1) {
  const isLast = height === Number(target)
  carryOut(blocks[height - 1], isLast && ending === 'executed')
}
if (ending === 'closed') await core.close()
else {
  say('stands')
  // Nothing is closed: what the store holds now is what the next process finds.
  setInterval(() => undefined, 60_000)
}

function carryOut(given: GivenBlock, isCut: boolean): void {
  const headerBytes = new Uint8Array(Buffer.from(given.header, 'base64'))
  const header = decodeHeader(headerBytes)
  if (!header.ok) throw new Error(header.detail)
  const block = { header: header.value, payload: new Uint8Array(Buffer.from(given.payload, 'base64')) }
  const blockHash = sha256(headerBytes)
  const executed = core.handle('execute', { blockHash, block }) as ExecuteOutcome
  if (!executed.ok) throw new Error(executed.code)
  if (isCut) return
  const { result, resultHash } = executed
  const { height, view } = block.header
  const certificate = { height, view, blockHash, resultHash, signers: [], signatures: [] }
  core.handle('commit', { blockHash, resultHash, final: { block, result, certificate }, skipped: [] })
  say(`block ${height} ${bytesToHex(result.stateRoot)}`)
}
