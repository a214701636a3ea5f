// `ward service`, `ward doctor`, `ward backup` and `ward image` as processes of their own: what they
// print and refuse.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { encodeTicket } from '../../host/founding/ticket.js'
import { nodeFiles } from '../../host/node/node-config.js'
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
  const build = [
    'image',
    'build',
    '--out',
    image,
    '--key',
    key,
    '--build',
    '41',
    '--no-packages',
    '--dirty',
  ]
  t.match(await ward(build, ['another password']), { status: 1, stderr: /RELEASE_KEY_REJECTED/ })
  const built = await ward(build, ['password of releases'])
  t.equal(built.status, 0, built.stderr)
  t.match(await ward(['image', 'show', image]), { status: 0, stdout: /build 41 for any, / })
  const first = readFileSync(image)
  await ward(build, ['password of releases'])
  t.ok(readFileSync(image).equals(first), 'twice the same bytes')
  const reflash = ['reflash', '--image', image, '--dir', dir, '--release-key']
  t.match(await ward([...reflash, '00'.repeat(32)]), { status: 1, stderr: /IMAGE_UNTRUSTED/ })
  const installed = await ward([...reflash, key])
  t.match(installed, { status: 0, stdout: /build 41, [^:]*: installed/ }, installed.stderr)
  t.ok(existsSync(path.join(dir, 'dist/tools/ward.js')))
  writeFileSync(path.join(folder, 'release.json'), '{"version":"0.1.0","build":42}')
  const older = [...reflash.slice(0, 3), '--dir', `${dir} 2`, '--release-key', key, '--installed', folder]
  t.match(await ward(older), { status: 1, stderr: /IMAGE_OLDER/ })
  for (const damaged of ['', '{"version":"0.1.0"', '{"version":"0.1.0","build":"42"}', 'null']) {
    writeFileSync(path.join(folder, 'release.json'), damaged)
    t.match(await ward(older), { status: 1, stderr: /RELEASE_UNREADABLE/ }, 'not taken for an early build')
  }
  const silent = [...older.slice(0, -1), path.join(folder, 'nowhere')]
  t.match(await ward(silent), { status: 2, stderr: /nowhere: no installation there says its version/ })
  t.notOk(existsSync(`${dir} 2`), 'a folder that says nothing leaves no way to tell what is older')

  const ticket = path.join(folder, 'ticket')
  const zero = new Uint8Array(32)
  const peers = [{ entity: zero, transportKey: zero, host: '127.0.0.1', port: 1 }]
  const terms = { chainId: zero, chainName: 'Site', epoch: 0, role: 'observer' as const, secret: zero }
  writeFileSync(ticket, encodeTicket({ ...terms, peers, expires: Date.now() + 3_600_000 }))
  const node = path.join(folder, 'node')
  const join = ['--ticket', ticket, '--node', node, '--name', 'ward-3', '--host', '10.0.0.7']
  join.push('--port', '7777', '--api-port', '7301', '--kdf', 'floor', '--no-start')
  const onto = (to: string, more: string[] = []): ReturnType<typeof ward> =>
    ward([...reflash.slice(0, 3), '--dir', to, '--release-key', key, ...join, ...more])
  await foundNode(node)
  const files = nodeFiles(node)
  writeFileSync(files.peers, '[]')
  for (const finished of [files.genesis, files.chain]) {
    mkdirSync(finished)
    t.match(await onto(`${dir} 3`), { status: 1, stderr: /not wiped.*ward wipe --dir.*FOLDER_NOT_EMPTY/s })
    t.notOk(existsSync(`${dir} 3`), 'nothing was installed')
    rmdirSync(finished)
  }
  const { status, stderr } = await onto(`${dir} 3`, ['--environment', "Ward's test"])
  t.equal(status, 1, 'no packages beside it: it cannot start')
  t.match(stderr, 'NODE_NOT_STARTED', 'an interrupted join is no node yet')
  const shown =
    `' join ${ticket} --dir ${node} --name ward-3 --host 10.0.0.7 --port 7777 --api-port 7301 ` +
    String.raw`--environment 'Ward'\''s test' --kdf floor --log warn --no-start`
  t.ok(stderr.includes(shown), `the whole command to give again: ${stderr}`)
})
