// `ward service`, `ward doctor`, `ward backup` and `ward image` as processes of their own: what they
// print and refuse.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { foundNode, patienceMs, storePassword, temporaryFolder, ward } from './appliance.fixture.js'

t.setTimeout(patienceMs)

t.test('a unit is written for a node, and removed', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  t.match(await ward(['service', 'install', '--dir', dir, '--print']), {
    status: 1,
    stderr: /CONFIG_MISSING/,
  })
  await foundNode(dir)
  const printed = await ward(['service', 'install', '--dir', dir, '--print'])
  t.match(printed, { status: 0, stdout: /ReadWritePaths=/ })
  const unit = path.join(folder, 'wardchain.service')
  const installed = await ward(['service', 'install', '--dir', dir, '--unit-dir', folder])
  t.match(installed, { status: 0, stdout: /systemctl enable --now wardchain/ })
  t.equal(readFileSync(unit, 'utf8'), printed.stdout)
  const elsewhere = path.join(folder, 'nowhere')
  t.match(await ward(['service', 'install', '--dir', dir, '--unit-dir', elsewhere]), {
    status: 1,
    stderr: /UNIT_UNWRITABLE/,
  })
  t.equal((await ward(['service', 'uninstall', '--unit-dir', folder])).status, 0)
  t.notOk(existsSync(unit))
})

t.test('a node that never worked has nothing to check or copy', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const dir = path.join(folder, 'node')
  await foundNode(dir)
  t.match(await ward(['doctor', '--dir', dir], [storePassword]), { status: 1, stderr: /GENESIS_UNKNOWN/ })
  const out = path.join(folder, 'backup')
  t.match(await ward(['backup', '--dir', dir, '--out', out]), { status: 1, stderr: /GENESIS_UNKNOWN/ })
  t.notOk(existsSync(out))
})

t.test('this very project becomes an image, and the image an installation', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const [key, image, dir] = ['release.key', 'image', 'new'].map((name) => path.join(folder, name))
  const made = await ward(['image', 'key', '--out', key], ['password of releases'])
  t.match(made, { status: 0, stdout: /^release key [0-9a-f]{64}/ })
  const build = ['image', 'build', '--out', image, '--key', key, '--build', '41', '--no-packages']
  t.match(await ward(build, ['another password']), { status: 1, stderr: /RELEASE_KEY_REJECTED/ })
  const built = await ward(build, ['password of releases'])
  t.equal(built.status, 0, built.stderr)
  const first = readFileSync(image)
  await ward(build, ['password of releases'])
  t.ok(readFileSync(image).equals(first), 'twice the same bytes')
  const reflash = ['reflash', '--image', image, '--dir', dir, '--release-key']
  t.match(await ward([...reflash, '00'.repeat(32)]), { status: 1, stderr: /IMAGE_UNTRUSTED/ })
  const installed = await ward([...reflash, key])
  t.match(installed, { status: 0, stdout: /build 41: installed/ }, installed.stderr)
  t.ok(existsSync(path.join(dir, 'dist/tools/ward.js')))
  writeFileSync(path.join(folder, 'release.json'), '{"version":"0.1.0","build":42}')
  const older = [...reflash.slice(0, 3), '--dir', `${dir} 2`, '--release-key', key, '--installed', folder]
  t.match(await ward(older), { status: 1, stderr: /IMAGE_OLDER/ })
})
