// A block that was being executed when the process died is named at the next start, and only then.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { bytesToHex, encodePayload } from '../../runtime/protocol/index.js'
import { sha256 } from '../keys/crypto.js'
import { CrashJournal } from './crash-journal.js'

t.test('names the bundles of an unfinished block once', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-journal-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'executing')
  const bundles = [new Uint8Array([1]), new Uint8Array([2, 3])]
  const payload = encodePayload({ lanes: [[], [], bundles, [], []] })
  const first = new CrashJournal(file)
  t.same(first.suspects, [])
  first.begin(payload)
  first.end()
  t.same(new CrashJournal(file).suspects, [], 'a finished block is forgotten')
  const second = new CrashJournal(file)
  second.begin(payload)
  const afterCrash = new CrashJournal(file)
  t.same(
    afterCrash.suspects,
    bundles.map((bundle) => bytesToHex(sha256(bundle))),
  )
  t.same(new CrashJournal(file).suspects, [], 'told once')
})
