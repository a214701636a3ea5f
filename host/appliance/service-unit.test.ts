// The unit as systemd reads it: syntax, exposure, and what it must and must not contain.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { temporaryFolder } from './appliance.fixture.js'
import { installUnit, serviceUnit, uninstallUnit, type UnitOptions } from './service-unit.js'

t.setTimeout(600_000)

/** Stated in README.md: "OK" in the words of `systemd-analyze security`, in tenths. */
const exposureTenthsMax = 15

const options: UnitOptions = {
  name: 'wardchain',
  folder: '/var/lib/wardchain',
  installation: '/opt/wardchain',
  node: '/usr/bin/node',
  user: 'wardchain',
}
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

t.test('what a node needs is there, what it must not have is not', async (t) => {
  const unit = serviceUnit(options)
  for (const line of [
    'LimitCORE=0',
    'MemorySwapMax=0',
    'LockPersonality=yes',
    'PrivateTmp=yes',
    'NoNewPrivileges=yes',
  ]) {
    t.match(unit, `\n${line}\n`)
  }
  t.match(unit, '\nProtectSystem=strict\nReadWritePaths=/var/lib/wardchain\nProtectHome=yes\n')
  t.match(
    unit,
    '\nExecStart=/usr/bin/node /opt/wardchain/dist/tools/ward.js node --dir /var/lib/wardchain\n',
  )
  t.notMatch(unit, /^MemoryDenyWriteExecute=/m, 'V8 needs to write code')
  t.match(unit, '\nType=notify\nNotifyAccess=all\nWatchdogSec=60\n')
  t.match(
    unit,
    '\nRuntimeDirectory=wardchain\nRuntimeDirectoryMode=0700\nRuntimeDirectoryPreserve=restart\n',
  )
  t.notMatch(unit, 'LoadCredential')
  const credential = '/etc/credstore.encrypted/ward-unlock'
  const machine = serviceUnit({ ...options, credential })
  t.match(machine, `\nLoadCredentialEncrypted=ward-unlock:${credential}\n`)
  const home = serviceUnit({ ...options, folder: '/home/ward/node', installation: '/home/ward/app' })
  t.match(home, '\nProtectHome=tmpfs\nBindReadOnlyPaths=/home/ward/app\nBindPaths=/home/ward/node\n')
})

t.test('paths that a unit would read otherwise are refused', async (t) => {
  for (const folder of [
    'relative',
    '/with space',
    '/with%h',
    '/with\nExecStart=/bin/sh',
    '/a;b',
    '/$HOME',
  ]) {
    t.throws(() => serviceUnit({ ...options, folder }), { code: 'FOLDER_UNSAFE' }, JSON.stringify(folder))
  }
  t.throws(() => serviceUnit({ ...options, credential: '/a b' }), { code: 'FOLDER_UNSAFE' })
  t.throws(() => serviceUnit({ ...options, user: 'root\nUser=root' }), { code: 'FOLDER_UNSAFE' })
})

t.test('a unit of someone else is left alone', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const file = path.join(folder, 'wardchain.service')
  t.throws(() => uninstallUnit('wardchain', folder), { code: 'UNIT_ABSENT' })
  writeFileSync(file, '[Service]\nExecStart=/bin/true\n')
  t.throws(() => installUnit(options, folder), { code: 'UNIT_EXISTS' })
  t.throws(() => uninstallUnit('wardchain', folder), { code: 'UNIT_EXISTS' })
  writeFileSync(file, serviceUnit(options))
  t.equal(installUnit({ ...options, user: 'other' }, folder), file, 'our own is replaced')
  t.match(readFileSync(file, 'utf8'), '\nUser=other\n')
  const wants = path.join(folder, 'multi-user.target.wants')
  mkdirSync(wants)
  symlinkSync(file, path.join(wants, 'wardchain.service'))
  t.equal(uninstallUnit('wardchain', folder), file)
  t.same(readdirSync(folder), ['multi-user.target.wants'])
  t.same(readdirSync(wants), [], 'what `systemctl enable` made is gone too')
})

const noSystemd = hasSystemd ? false : 'systemd-analyze is not installed (Debian package systemd)'
t.test('systemd accepts it, and rates it as stated', { skip: noSystemd }, async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const installation = path.join(folder, 'app')
  mkdirSync(path.join(installation, 'dist', 'tools'), { recursive: true })
  writeFileSync(path.join(installation, 'dist', 'tools', 'ward.js'), '')
  const unit = { ...options, folder, installation, node: process.execPath, user: 'root' }
  const file = installUnit(unit, folder)
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  t.equal(verified.status, 0, verified.stderr)
  t.notMatch(verified.stderr, /wardchain\.service/, 'no word of complaint')
  writeFileSync(file, serviceUnit(options))
  const limit = String(exposureTenthsMax)
  const rated = spawnSync(
    'systemd-analyze',
    ['security', '--offline=true', `--threshold=${limit}`, '--no-pager', file],
    { encoding: 'utf8' },
  )
  t.equal(rated.status, 0, `${rated.stdout.split('\n').slice(-3).join(' ')} ${rated.stderr}`)
  t.comment(rated.stdout.trim().split('\n').at(-1))
  // The same call refuses a unit without hardening: the threshold means something.
  writeFileSync(file, '[Service]\nExecStart=/bin/true\n')
  const bare = spawnSync('systemd-analyze', ['security', '--offline=true', `--threshold=${limit}`, file])
  t.not(bare.status, 0)
})
