// The whole circle of an appliance, every part a process of its own: a node of a running network is wiped,
// its machine reflashed from a signed image, and it comes back with a new identity to the same state. What a
// thief kept of the old one is worth nothing to the network.
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { NodeStatus, ReceiptView } from '../../host/api/node-port.js'
import { createReleaseKey } from '../../host/appliance/release-key.js'
import { decodeIdentity, destroyIdentity } from '../../host/keys/node-identity.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { draftCall, payloadOf, signBundle } from '../../host/node/transaction-builder.js'
import { openKeyslot, readSealedFile } from '../../host/store/index.js'
import { entityIdOf, hexToBytes } from '../../runtime/protocol/index.js'
import { sha256 } from '../../host/keys/crypto.js'
import { patienceMs, storePassword, ward, type Ran } from './appliance.fixture.js'
import { Site, until, type Daemon } from './site.fixture.js'

t.setTimeout(patienceMs)
const secret = new TextEncoder().encode(storePassword)

/** The built project, copied: times and order differ from folder to folder, and nobody writes there. */
function copyProject(from: string, to: string): string {
  mkdirSync(to)
  for (const file of ['README.md', 'package-lock.json', 'package.json']) {
    cpSync(path.join(from, file), path.join(to, file))
  }
  const runs = (file: string): boolean =>
    lstatSync(file).isDirectory() || !/\.(test|fixture)\.|\.d\.ts$|\.map$|\.tsbuildinfo$/.test(file)
  cpSync(path.join(from, 'dist'), path.join(to, 'dist'), { recursive: true, filter: runs })
  // Only what has a source is packed.
  const isSource = (file: string): boolean => lstatSync(file).isDirectory() || /\.(tsx?|json)$/.test(file)
  for (const room of ['runtime', 'consensus', 'host', 'tools', 'ui-shell', 'contracts-as/manifests'])
    cpSync(path.join(from, room), path.join(to, room), { recursive: true, filter: isSource })
  return to
}

const statusOf = async ({ api }: Daemon): Promise<Partial<NodeStatus>> => {
  const status = await api.status().catch(() => undefined)
  return status?.ok ? status.value : {}
}

/** All of them at one height and one state root. */
async function agree(what: string, daemons: Daemon[]): Promise<void> {
  process.stderr.write(`waiting: ${what}\n`)
  let last: Partial<NodeStatus>[] = []
  await until(what, async () => {
    last = await Promise.all(daemons.map(statusOf))
    const [first] = last
    return last.every(
      (one) =>
        one.sealed === false &&
        (one.peersConnected ?? 0) > 0 &&
        one.height === first.height &&
        one.stateRoot === first.stateRoot,
    )
  }).catch((error: unknown) => {
    throw new Error(
      `${String(error)}: ${JSON.stringify(last.map((one) => [one.height, one.peersConnected]))}`,
    )
  })
}

/** Signed with the old node's key, as a late message of it would be. */
async function lateReport(thief: string, chainId: Uint8Array, to: Daemon): Promise<ReceiptView | string> {
  const files = nodeFiles(thief)
  const dataKey = await openKeyslot(files.keyslots, secret)
  const bytes = readSealedFile(files.identity, dataKey)
  dataKey.close()
  if (!bytes) throw new Error('the copy has no identity')
  const identity = decodeIdentity(bytes)
  const { publicKey } = identity.vote
  const entity = entityIdOf(sha256, publicKey)
  const draft = draftCall(
    'ward/appliance',
    'reportWipe',
    new Uint8Array([...entity, 0, ...new Uint8Array(32)]),
    [],
  )
  const terms = { stream: 9, sequence: 1, validUntil: Date.now() + 60_000, fuelLimit: 8_000_000 }
  const bundle = signBundle(payloadOf({ chainId, entity, publicKey }, draft, terms), draft, identity.vote)
  destroyIdentity(identity)
  const answer = await to.api.submitSigned(bundle)
  return answer.ok ? answer.value : answer.code
}

t.test('wiped, reflashed, admitted again: the same state, and nothing left for a thief', async (t) => {
  const site = new Site()
  t.teardown(() => site.close())
  const { home } = site
  const key = home('release.key')
  mkdirSync(path.dirname(key), { recursive: true })
  const publicKey = await createReleaseKey(key, secret, { opsLimit: 1, memoryMiB: 8 })
  await site.found(['v1', 'desk', 'ward-3'], [['Admin', 'admin']], { threshold: 1, keys: [publicKey] })
  const projects = [copyProject(process.cwd(), home('project-1'))]
  projects.push(copyProject(projects[0], home('project-2')))

  const build = (project: string, number: number, out: string): Promise<Ran> =>
    ward(
      [
        'image',
        'build',
        '--project',
        project,
        '--no-packages',
        '--dirty',
        '--build',
        `${number}`,
        '--key',
        key,
        '--out',
        out,
      ],
      [storePassword],
    )
  const image = home('image-7')
  const again = home('image-7-again')
  const older = home('image-6')
  for (const [project, number, out] of [
    [projects[0], 7, image],
    [projects[1], 7, again],
    [projects[1], 6, older],
  ] as const) {
    const built = await build(project, number, out)
    t.equal(built.status, 0, built.stderr)
  }
  t.ok(readFileSync(image).equals(readFileSync(again)), 'the same bytes from two folders')

  const v1 = await site.start('v1')
  const desk = await site.start('desk')
  const old = await site.start('ward-3')
  await agree('three nodes follow one chain', [v1, desk, old])
  const listed = await v1.api.network()
  if (!listed.ok) throw new Error(listed.code)
  const oldEntity = listed.value.nodes.find(({ name }) => name === 'ward-3')?.entity
  const chainId = hexToBytes(listed.value.chainId) ?? new Uint8Array(0)

  old.child.stdin?.end()
  t.equal(await old.ended, 0, 'the node is stopped')
  cpSync(home('ward-3'), home('thief'), { recursive: true })
  const wiped = await ward(
    ['wipe', '--dir', home('ward-3'), '--no-copy-left'],
    ['wipe ward-3', storePassword],
  )
  t.match(wiped, { status: 0, stdout: /signed by the node\nresult: complete/ }, wiped.stderr)
  t.notOk(existsSync(home('ward-3')))
  const certificate = `${home('ward-3')}.sanitisation.json`
  t.match(await ward(['certificate', certificate, '--card', path.join(home('thief'), 'card.json')]), {
    status: 0,
    stdout: /ended, complete, signed by ward-3/,
  })

  const ticket = home('ticket.json')
  const issue = ['network', 'ticket', '--as', 'Admin', '--api', v1.url, '--out']
  const issued = await ward([...issue, ticket, '--replaces', 'ward-3'], [storePassword, storePassword])
  t.equal(issued.status, 0, issued.stderr)
  const installation = home('installation')
  // The image holds no packages: those of this project stand in for \`npm ci\`.
  symlinkSync(path.join(process.cwd(), 'node_modules'), home('node_modules'))
  const reflash = (from: string, to: string, more: string[] = []): Promise<Ran> =>
    ward(['reflash', '--image', from, '--dir', to, ...more], [storePassword, storePassword])
  const join = ['--ticket', ticket, '--node', home('ward-3'), '--name', 'ward-3', '--environment', 'TEST']
  join.push('--api-port', '0', '--kdf', 'floor', '--no-start')

  const bent = home('image-bent')
  const bytes = readFileSync(image)
  bytes[bytes.length - 1] ^= 1
  writeFileSync(bent, bytes)
  const foreign = home('foreign.key')
  await createReleaseKey(foreign, secret, { opsLimit: 1, memoryMiB: 8 })
  for (const [words, code] of [
    [[bent, installation, join], 'IMAGE_MALFORMED'],
    [[image, installation, ['--release-key', foreign, ...join]], 'IMAGE_UNTRUSTED'],
    [[image, installation], 'RELEASE_UNPINNED'],
    [[image, installation, ['--ticket', ticket, '--node', home('desk')]], 'FOLDER_NOT_EMPTY'],
  ] as const) {
    const [from, to, more] = words
    t.match(await reflash(from, to, more && [...more]), { status: 1, stderr: new RegExp(code) }, code)
    t.notOk(existsSync(installation) || existsSync(home('ward-3')), 'nothing is there')
  }
  const done = await reflash(image, installation, join)
  t.match(
    done,
    { status: 0, stdout: /build 7, [^:]*: installed .*\n(.*\n)*ward-3: admitted to Site/ },
    done.stderr,
  )
  const back = ['--release-key', key, '--installed', installation]
  t.match(await reflash(older, home('older'), back), { status: 1, stderr: /IMAGE_OLDER/ })
  t.notOk(existsSync(home('older')))
  t.match(await reflash(older, home('older'), [...back, '--force']), { status: 0, stdout: /build 6/ })

  const fresh = await site.start('ward-3', installation)
  await agree('the new node is at the same state', [v1, desk, fresh])
  const after = await fresh.api.network()
  if (!after.ok) throw new Error(after.code)
  t.match(
    after.value.nodes.find(({ entity }) => entity === oldEntity),
    { listed: false },
    'revoked on chain',
  )
  t.not(after.value.self, oldEntity, 'a new identity')
  t.same(after.value.release, { threshold: 1, keys: [Buffer.from(publicKey).toString('hex')] })

  t.equal(await lateReport(home('thief'), chainId, desk), 'KEY_REVOKED', 'a late message of the old node')
  const thief = await site.start('thief')
  const more = await ward([...issue, home('ticket-2.json')], [storePassword, storePassword])
  t.equal(more.status, 0, more.stderr)
  await agree('the network goes on', [v1, desk, fresh])
  const [late, now] = await Promise.all([thief, fresh].map(statusOf))
  t.match(late, { sealed: false, peersConnected: 0 }, 'nobody talks to the old identity')
  t.ok((late.height ?? 0) < (now.height ?? 0), 'it learns nothing new')
})
