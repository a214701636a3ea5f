// Release images: equal bytes from equal inputs, and nothing is installed that is not whole, signed and
// newer.
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { generateSigningKey } from '../keys/crypto.js'
import { temporaryFolder } from './appliance.fixture.js'
import { buildImage } from './image-build.js'
import { imageSource } from './image-source.js'
import { installedRelease, installImage, type InstallOptions } from './image-install.js'
import { readImageHead } from './release-image.js'
import { createReleaseKey, openReleaseKey, releasePublicKey } from './release-key.js'

t.setTimeout(600_000)

const write = (root: string, file: string, content: string): void => {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
  writeFileSync(path.join(root, file), content)
}

/** A small project of the same shape as ours. */
function project(root: string, version = '1.2.3'): string {
  write(root, 'package.json', JSON.stringify({ name: 'wardchain', version }))
  const packages = {
    '': {},
    'node_modules/runs': {},
    'node_modules/runs/node_modules/deep': {},
    'node_modules/tests': { dev: true },
    'node_modules/elsewhere': { optional: true },
  }
  write(root, 'package-lock.json', JSON.stringify({ packages }))
  for (const file of ['ward.js', 'ward.test.js', 'ward.js.map', 'ward.d.ts'])
    write(root, `dist/tools/${file}`, file)
  write(root, 'tools/ward.ts', 'source')
  write(root, 'contracts-as/manifests/ward-rule.json', '{}')
  write(root, 'dist/host/.tsbuildinfo', 'now')
  write(root, 'dist/contracts/ward-rule.wasm', '\0asm')
  write(root, 'node_modules/runs/index.js', 'runs')
  write(root, 'node_modules/runs/node_modules/deep/index.js', 'deep')
  write(root, 'node_modules/tests/index.js', 'tests')
  write(root, 'secret.key', 'not listed')
  symlinkSync('/etc/passwd', path.join(root, 'node_modules/runs/link'))
  return root
}

const source = { commit: 'ab'.repeat(20), isDirty: false }

t.test('equal inputs give equal bytes, whatever the times and the order', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const key = generateSigningKey()
  const first = project(path.join(folder, 'first'))
  const second = path.join(folder, 'second')
  cpSync(first, second, { recursive: true, verbatimSymlinks: true })
  utimesSync(path.join(second, 'package.json'), 1, 1)
  const [one, two] = [path.join(folder, 'one'), path.join(folder, 'two')]
  const manifest = buildImage({ project: first, out: one, build: 7, source, keys: [key], packages: true })
  buildImage({ project: second, out: two, build: 7, source, keys: [key], packages: true })
  t.ok(readFileSync(one).equals(readFileSync(two)))
  t.same(
    manifest.files.map((file) => file.path),
    [
      'dist/contracts/ward-rule.wasm',
      'dist/tools/ward.js',
      'node_modules/runs/index.js',
      'node_modules/runs/node_modules/deep/index.js',
      'package-lock.json',
      'package.json',
    ],
    'what runs, and nothing else',
  )
  t.match(readImageHead(one).manifest, { commit: source.commit, dirty: false })
  // What earlier builds left: a script, a module, half a file, and a bundle nobody knows.
  for (const file of [
    'tools/gone.js',
    'contracts/ward-gone.wasm',
    'contracts/ward-rule.wasm.77',
    'apps/old.html',
  ])
    write(second, `dist/${file}`, 'stale')
  buildImage({ project: second, out: two, build: 7, source, keys: [key], packages: true })
  t.ok(readFileSync(one).equals(readFileSync(two)), 'what has no source is not packed')
  write(second, 'dist/tools/ward.js', 'other')
  buildImage({ project: second, out: two, build: 7, source, keys: [key], packages: true })
  t.notSame(readImageHead(one).id, readImageHead(two).id)
  const bare = buildImage({ project: first, out: two, build: 7, source, keys: [key], packages: false })
  t.equal(bare.platform, 'any')
  t.notOk(bare.files.some((file) => file.path.startsWith('node_modules')))
  const empty = path.join(folder, 'empty')
  mkdirSync(empty)
  t.throws(() => buildImage({ project: empty, out: two, build: 7, source, keys: [key], packages: false }), {
    code: 'IMAGE_SOURCE',
  })
})

t.test('only a folder that is at its commit is packed, unless told', (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const git = (...words: string[]): void =>
    void execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...words], {
      cwd: folder,
      stdio: 'ignore',
    })
  try {
    git('init')
  } catch {
    t.comment('skipped: there is no git')
    t.end()
    return
  }
  t.throws(() => imageSource(folder, false), { code: 'IMAGE_DIRTY' }, 'no commit yet')
  t.match(imageSource(folder, true), { commit: '', isDirty: true, commitCount: undefined })
  write(folder, '.gitignore', 'dist/\n')
  write(folder, 'tools/ward.ts', 'source')
  git('add', '.')
  git('commit', '-m', 'one')
  write(folder, 'dist/tools/ward.js', 'built')
  const clean = imageSource(folder, false)
  t.match(clean, { commit: /^[0-9a-f]{40}$/, isDirty: false, commitCount: 1 })
  write(folder, 'tools/new.ts', 'nobody has this')
  t.throws(() => imageSource(folder, false), { code: 'IMAGE_DIRTY', message: /new\.ts/ }, 'a new file')
  t.same(imageSource(folder, true), { ...clean, isDirty: true })
  rmSync(path.join(folder, 'tools/new.ts'))
  write(folder, 'tools/ward.ts', 'changed')
  t.throws(() => imageSource(folder, false), { code: 'IMAGE_DIRTY', message: /ward\.ts/ }, 'a changed one')
  t.end()
})

t.test('an image is installed as signed, and refused otherwise', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const [key, second, foreign] = [generateSigningKey(), generateSigningKey(), generateSigningKey()]
  const root = project(path.join(folder, 'project'))
  const image = path.join(folder, 'image')
  buildImage({ project: root, out: image, build: 7, source, keys: [key, second], packages: true })
  const target = path.join(folder, 'installed')
  const options: InstallOptions = { image, folder: target, trusted: [key.publicKey], threshold: 1 }
  const refused = (code: string, more: Partial<InstallOptions> = {}): void => {
    t.throws(() => installImage({ ...options, ...more }), { code }, code)
    t.notOk(existsSync(target) || existsSync(`${target}.part`), 'nothing is there')
  }
  refused('IMAGE_UNTRUSTED', { trusted: [foreign.publicKey] })
  refused('IMAGE_UNTRUSTED', { trusted: [key.publicKey, foreign.publicKey], threshold: 2 })
  refused('IMAGE_UNTRUSTED', { trusted: [key.publicKey, key.publicKey], threshold: 2 })
  refused('IMAGE_UNTRUSTED', { threshold: 0 })
  refused('IMAGE_OLDER', { installed: { version: '1.2.3', build: 8 } })
  refused('IMAGE_OLDER', { installed: { version: '1.10.0', build: 6 } })

  const whole = readFileSync(image)
  const { contentAt, manifest } = readImageHead(image)
  const bent = path.join(folder, 'bent')
  const bend = (change: (bytes: Buffer) => Buffer): void => writeFileSync(bent, change(Buffer.from(whole)))
  const flip = (at: number) => (bytes: Buffer) => {
    bytes[at] ^= 1
    return bytes
  }
  for (const at of [0, 8, 9, 12, contentAt, whole.length - 1]) {
    bend(flip(at))
    refused('IMAGE_MALFORMED', { image: bent })
  }
  bend((bytes) => bytes.subarray(0, -1))
  refused('IMAGE_MALFORMED', { image: bent })
  bend((bytes) => Buffer.concat([bytes, Buffer.from('x')]))
  refused('IMAGE_MALFORMED', { image: bent })
  bend((bytes) => Buffer.from(bytes.toString('latin1').replace('"build": 7', '"build": 8'), 'latin1'))
  refused('IMAGE_UNTRUSTED', { image: bent })
  bend((bytes) => Buffer.from(bytes.toString('latin1').replace('dist/tools', 'dist/../..'), 'latin1'))
  refused('IMAGE_MALFORMED', { image: bent })

  mkdirSync(target)
  mkdirSync(`${target}.part`)
  writeFileSync(path.join(`${target}.part`, 'left over'), 'from a crash')
  const shown: string[] = []
  const trusted = [key.publicKey, second.publicKey]
  installImage({
    ...options,
    trusted,
    threshold: 2,
    installed: { version: '1.2.3', build: 7 },
    onProgress: (label) => void shown.push(label),
  })
  t.same([...new Set(shown)], ['installing', 'comparing'])
  t.same(installedRelease(target), { version: '1.2.3', build: 7 })
  for (const file of manifest.files) {
    t.ok(
      readFileSync(path.join(target, file.path)).equals(readFileSync(path.join(root, file.path))),
      file.path,
    )
  }
  t.notOk(readdirSync(target).includes('left over'))
  t.throws(() => installImage(options), { code: 'FOLDER_NOT_EMPTY' })
  installImage({
    ...options,
    folder: `${target} again`,
    installed: { version: '9.0.0', build: 99 },
    force: true,
  })
  t.ok(existsSync(`${target} again`), 'older on purpose')
})

t.test('a release key opens with its password only', async (t) => {
  const { folder, remove } = temporaryFolder()
  t.teardown(remove)
  const file = path.join(folder, 'release.key')
  const password = new TextEncoder().encode('release password')
  const publicKey = await createReleaseKey(file, password, { opsLimit: 1, memoryMiB: 8 })
  t.equal(statSync(file).mode & 0o77, 0)
  t.same((await openReleaseKey(file, password)).publicKey, publicKey)
  t.same(releasePublicKey(file), publicKey)
  t.same(releasePublicKey(Buffer.from(publicKey).toString('hex')), publicKey)
  await t.rejects(openReleaseKey(file, new TextEncoder().encode('wrong')), { code: 'RELEASE_KEY_REJECTED' })
  await t.rejects(createReleaseKey(file, password, { opsLimit: 1, memoryMiB: 8 }), { code: 'EEXIST' })
  writeFileSync(file, '{}')
  t.throws(() => releasePublicKey(file), { code: 'RELEASE_KEY_REJECTED' })
})
