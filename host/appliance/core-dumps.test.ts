// What a crash leaves on the disk, by a real crash.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { denyCoreDumps, mayLeaveDump } from './core-dumps.js'

const child = new URL('./core-dumps.fixture.js', import.meta.url).pathname
const needle = 'tervaskanto'.repeat(20).split('').reverse().join('')

/** Where `core_pattern` is a plain name a dump lies in the folder of the process. */
const isFile = /^[A-Za-z0-9%._-]+\s*$/.test(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'))

/** With every dump allowed, as a shell of an administrator may have it. */
function crash(folder: string, choice: 'deny' | 'allow', environment: NodeJS.ProcessEnv = process.env) {
  const command = `ulimit -c unlimited; cd "$0" && exec "$1" "$2" ${choice}`
  const ran = spawnSync('/bin/sh', ['-c', command, folder, process.execPath, child], {
    encoding: 'utf8',
    env: environment,
  })
  const dumps = readdirSync(folder).filter((name) => name.startsWith('core'))
  const holds = dumps.some((name) => readFileSync(path.join(folder, name)).includes(needle))
  return { ...ran, dumps, holds }
}

t.test('a daemon that was started by hand leaves no dump', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'wardchain-core-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const fresh = (name: string): string => {
    execFileSync('mkdir', [path.join(folder, name)])
    return path.join(folder, name)
  }
  const allowed = crash(fresh('allowed'), 'allow')
  t.equal(allowed.signal, 'SIGABRT')
  const canSee = isFile && allowed.dumps.length > 0
  if (canSee) t.equal(allowed.holds, true, 'it is found where nothing is done')
  else t.comment('this machine writes no dump into the folder: only the limits are looked at')
  const denied = crash(fresh('denied'), 'deny')
  t.equal(denied.signal, 'SIGABRT')
  t.same(JSON.parse(denied.stdout), { withoutMemory: true, withoutFile: true })
  t.same(denied.dumps, [])
  // Without the tool, or with a program that takes dumps, there may be one: with nothing in it.
  const bare = crash(fresh('bare'), 'deny', { PATH: folder })
  t.match(JSON.parse(bare.stdout), { withoutMemory: true })
  t.equal(bare.holds, false)
  t.end()
})

t.test('a node that is supervised needs no tool for it', (t) => {
  t.match(denyCoreDumps(), { withoutMemory: true })
  t.end()
})

t.test('the limit of files is no protection from a program that takes dumps', (t) => {
  const [none, onlyFile] = [
    { withoutMemory: false, withoutFile: false },
    { withoutMemory: false, withoutFile: true },
  ]
  const patterns = ['core\n', '|/usr/share/apport/apport -p%p\n', '@/run/dumps.socket\n']
  t.same(
    patterns.map((pattern) => mayLeaveDump(onlyFile, pattern)),
    [false, true, true],
  )
  t.equal(mayLeaveDump(none, 'core\n'), true)
  t.equal(mayLeaveDump({ withoutMemory: true, withoutFile: false }, patterns[1]), false)
  t.end()
})
