import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { decodeMessage, type SignedMessage } from '../../consensus/pbft/index.js'
import { EvidenceFile, evidencePerAccusedMax } from './evidence-file.js'

const chainId = new Uint8Array(32).fill(1)

function prepare(sender: number, view: number, result: number): SignedMessage {
  return {
    ...{ type: 'prepare', epoch: 0, height: 7, view, sender: new Uint8Array(32).fill(sender) },
    ...{ signature: new Uint8Array(64).fill(result), blockHash: new Uint8Array(32) },
    resultHash: new Uint8Array(32).fill(result),
  }
}
const pair = (sender: number, view: number) => ({
  first: prepare(sender, view, 1),
  second: prepare(sender, view, 2),
})

t.test('evidence survives a restart, whole and checkable, a bounded number for each accused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wardchain-evidence-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'evidence')
  const file = new EvidenceFile(path)
  t.equal(file.keep(pair(3, 0), chainId, 1_000), true)
  t.equal(file.keep(pair(3, 0), chainId, 2_000), false, 'known')
  for (let view = 1; view < evidencePerAccusedMax + 4; view += 1) file.keep(pair(3, view), chainId, view)
  t.equal(file.all.length, evidencePerAccusedMax)
  t.equal(file.keep(pair(4, 0), chainId, 1_000), true, 'another accused has room of its own')

  appendFileSync(path, 'not a line of ours\n')
  const again = new EvidenceFile(path)
  t.same(again.all, file.all)
  const decoded = decodeMessage(Buffer.from(again.all[0].message, 'hex'), chainId)
  t.match(decoded, { ok: true, value: { type: 'evidence', ...pair(3, 0) } })
  t.equal(readFileSync(path, 'utf8').split('\n').length, evidencePerAccusedMax + 3)
})
