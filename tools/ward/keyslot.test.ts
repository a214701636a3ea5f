// The keyslot commands on a real keyslot file, each as a process of its own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { openUnattended } from '../../host/store/index.js'
import { foundNode, patienceMs, storePassword, temporaryFolder, ward } from './appliance.fixture.js'

t.setTimeout(patienceMs)

t.test('a slot is added, used, changed and removed', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  await foundNode(dir)
  const keyslot = (command: string, lines: string[] = [], ...more: string[]) =>
    ward(['keyslot', command, ...more, '--dir', dir], lines)
  const slots = async (): Promise<{ id: number; kind: string }[]> => {
    const listed = await keyslot('list', [], '--json')
    return (JSON.parse(listed.stdout) as { slots: { id: number; kind: string }[] }).slots
  }

  const added = await keyslot('add', [storePassword, 'paper in the safe'], '--kdf', 'floor')
  t.equal(added.status, 0, added.stderr)
  t.match(added.stdout, 'slot 1 (recovery) was added')
  t.same(
    (await slots()).map(({ kind }) => kind),
    ['operator', 'recovery'],
  )

  const changed = await keyslot('change', ['paper in the safe', 'other paper in the safe'])
  t.equal(changed.status, 0, changed.stderr)
  const stale = await keyslot('remove', ['paper in the safe'], '0')
  t.match(stale, { status: 1, stderr: /KEYSLOT_REJECTED/ }, 'the replaced password opens nothing')
  const removed = await keyslot('remove', ['other paper in the safe'], '0')
  t.match(removed, { status: 0, stdout: 'slot 0 was removed' })
  t.same(
    (await slots()).map(({ id }) => id),
    [1],
  )
  t.match(await keyslot('remove', ['other paper in the safe'], '1'), { status: 1, stderr: /KEYSLOT_LAST/ })
})

t.test('the data key is changed, a second secret and a platform secret open the store', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  await foundNode(dir)
  const stick = path.join(folder, 'stick')
  writeFileSync(stick, new Uint8Array(32).fill(5))
  const out = path.join(folder, 'secret')
  const keyslot = (command: string, lines: string[] = [], ...more: string[]) =>
    ward(['keyslot', command, ...more, '--dir', dir], lines)
  const added = await keyslot(
    'add',
    [storePassword, 'paper in the safe'],
    '--kdf',
    'floor',
    '--with',
    stick,
  )
  t.match(added, { status: 0 }, added.stderr)
  t.match(await keyslot('rotate', ['paper in the safe']), { status: 1, stderr: /KEYSLOT_REJECTED/ })
  const rotated = await keyslot('rotate', ['paper in the safe'], '--second-secret', stick)
  t.match(rotated, { status: 0, stdout: /key epoch 1/ }, rotated.stderr)
  t.match(await keyslot('platform', [storePassword], '--out', out), { status: 0, stdout: /systemd-creds/ })
  const opened = await openUnattended(path.join(dir, 'keyslots'), 'platform', readFileSync(out))
  t.equal(opened.epoch, 1)
  opened.close()
  t.match(await keyslot('platform', [storePassword], '--out', out), { status: 1, stderr: /FILE_EXISTS/ })

  // A refused attempt leaves neither a secret that opens nothing nor a slot that nobody can open.
  const refused = path.join(folder, 'refused')
  const mistyped = await keyslot('platform', ['a mistyped password'], '--out', refused)
  t.match(mistyped, { status: 1, stderr: /KEYSLOT_REJECTED/ })
  t.notOk(existsSync(refused))
  const unwritable = path.join(folder, 'no such folder', 'secret')
  const unwritten = await keyslot('platform', [storePassword], '--out', unwritable)
  t.match(unwritten, { status: 1 }, unwritten.stderr)
  const still = await openUnattended(path.join(dir, 'keyslots'), 'platform', readFileSync(out))
  t.equal(still.epoch, 1, 'the earlier secret goes on to work')
  still.close()
})

t.test('wrong use is told apart from refusal, and nothing changes', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  t.match(await ward(['keyslot', 'list', '--dir', dir]), { status: 1, stderr: /NODE_ABSENT/ })
  await foundNode(dir)
  const refuse = (args: string[], lines: string[]) => ward(['keyslot', ...args, '--dir', dir], lines)
  t.match(await refuse(['remove', 'first'], [storePassword]), { status: 2, stderr: /USAGE/ })
  t.match(await refuse(['remove', '7'], [storePassword]), { status: 1, stderr: /SLOT_UNKNOWN/ })
  t.match(await refuse(['add', '--kind', 'spare'], [storePassword]), { status: 2, stderr: /USAGE/ })
  t.match(await refuse(['add'], [storePassword, 'short']), { status: 1, stderr: /PASSWORD_SHORT/ })
  t.match(await refuse(['list'], []), { status: 0, stdout: /slot 0 {2}operator .*argon2id, 1 passes/ })
})
