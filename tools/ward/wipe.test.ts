// `ward wipe` and `ward certificate` as processes of their own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { foundNode, patienceMs, storePassword, temporaryFolder, ward } from './appliance.fixture.js'
import { certificatePlace } from './ordered-wipe.js'

t.setTimeout(patienceMs)

t.test('the phrase decides, the certificate proves', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  await foundNode(dir)
  const card = path.join(folder, 'card.json')
  writeFileSync(card, readFileSync(path.join(dir, 'card.json')))
  t.match(await ward(['wipe', '--dir', dir], ['wipe it', storePassword]), {
    status: 1,
    stderr: /PHRASE_WRONG/,
  })
  t.match(await ward(['wipe', '--dir', dir, '--certificate', path.join(dir, 'c')]), {
    status: 2,
    stderr: /outside the folder/,
  })
  t.ok(existsSync(path.join(dir, 'keyslots')), 'nothing was changed')
  const absent = path.join(folder, 'nowhere')
  t.match(
    await ward(['wipe', '--dir', absent], []),
    { status: 1, stderr: /NODE_ABSENT/ },
    'no phrase is asked',
  )
  t.match(await ward(['certificate', absent]), { status: 1, stderr: /no such file.*FILE_ABSENT/ })

  const stick = path.join(folder, 'stick')
  writeFileSync(stick, Buffer.alloc(32, 7))
  const add = ['keyslot', 'add', '--dir', dir, '--kdf', 'floor', '--with', stick]
  const added = await ward(add, [storePassword, 'a password with a stick'])
  t.match(added, { status: 0, stdout: /opens nothing without .*stick/ }, added.stderr)
  const bare = await ward(['wipe', '--dir', dir], ['wipe test-node', 'a password with a stick'])
  t.match(bare, { status: 1, stderr: /--second-secret <file>.*KEYSLOT_REJECTED/ })
  const stated = ['--asset', 'M-17', '--verifier', 'Second\u202ePerson']
  const wiped = await ward(
    ['wipe', '--dir', dir, '--no-copy-left', '--second-secret', stick, ...stated],
    ['wipe test-node', 'a password with a stick'],
  )
  t.equal(wiped.status, 0, wiped.stderr)
  t.match(wiped.stdout, /signed by the node\nresult: complete/)
  // Which of the two depends on what this machine tells of its disk.
  t.match(wiped.stdout, /^method: (Purge|Clear) \(NIST SP 800-88 Rev 2\)/m)
  const people =
    /^asset number: M-17\nverifier: Second<U\+202E>Person\nnot stated.*: source, destination, contact/m
  t.match(wiped.stdout, people)
  t.notOk(existsSync(dir))
  const certificate = `${dir}.sanitisation.json`
  t.match(await ward(['certificate', certificate, '--card', card]), {
    status: 0,
    stdout: /ended, complete, signed by test-node.*\nmethod: .*\nmedium: .*\nasset number: M-17/,
  })
  writeFileSync(certificate, readFileSync(certificate, 'utf8').replace('"complete"', '"incomplete"'))
  t.match(await ward(['certificate', certificate]), { status: 1, stderr: /CERTIFICATE_INVALID/ })
})

t.test('the certificate of a wipe by order is never where systemd takes it away', (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const before = process.env.RUNTIME_DIRECTORY
  t.teardown(() => {
    if (before === undefined) delete process.env.RUNTIME_DIRECTORY
    else process.env.RUNTIME_DIRECTORY = before
  })
  process.env.RUNTIME_DIRECTORY = folder
  t.equal(certificatePlace(path.join(folder, 'node')), path.join(folder, 'node.sanitisation.json'))
  // Nobody may write beside it, root included, as under ProtectSystem=strict.
  t.equal(certificatePlace('/proc/none/node'), '/proc/none/node/node.sanitisation.json')
  t.end()
})
