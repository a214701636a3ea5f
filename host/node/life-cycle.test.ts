// A node that cannot start stays sealed, holds nothing, and starts as soon as the cause is gone.
import { createServer, type Server } from 'node:net'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { freePorts } from '../../consensus/net/free-ports.js'
import { startHl7Bridge } from '../gateways/hl7-bridge.js'
import { openMllpClient, sendMllp } from '../gateways/hl7/mllp-client.js'
import { buildAdmission, lisaJones } from '../gateways/hl7/sample-messages.js'
import { listKeyslots, openKeyslot } from '../store/index.js'
import { formatVersion } from '../store/sealed-environment.js'
import { initNetwork } from '../founding/init-network.js'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { generateSigningKey, sha256 } from '../keys/crypto.js'
import type { Card } from '../founding/cards.js'
import { nodeFiles } from './node-config.js'
import { NodeError } from './node-error.js'
import { createNodeLogger } from './node-logger.js'
import { NodeMetrics } from './node-metrics.js'
import { NodeSequences } from './node-sequences.js'
import { RunningNode } from './running-node.js'
import { createSingleNode, storePassword, systemContracts } from './single-node.fixture.js'
import { unlockFailure } from './unlock-failure.js'
import { WardNode } from './ward-node.js'

const listen = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))

const isOpen = (port: number): Promise<boolean> =>
  openMllpClient('127.0.0.1', port).then(
    (client) => {
      client.close()
      return true
    },
    () => false,
  )

t.test('an MLLP port in use: sealed, no listening, and a second unlock works', async (t) => {
  const [freePort, takenPort] = await freePorts(2, 'tcp')
  const single = await createSingleNode({
    sources: [
      { name: 'adt', port: freePort, accepts: ['ADT'] },
      { name: 'monitor', port: takenPort, accepts: ['ORU'] },
    ],
  })
  t.teardown(() => single.close())
  const { node } = single
  const before = node.status()
  await node.seal()
  const intruder = await listen(takenPort)

  for (const attempt of ['first', 'second']) {
    const failed = await node.unlock(storePassword.slice())
    t.match(failed, { ok: false, code: 'UNLOCK_FAILED' }, attempt)
    t.match(!failed.ok && failed.detail, /LISTEN_FAILED: .*monitor/, 'the detail names the cause')
    t.match(node.status(), { sealed: true, phase: 'sealed', height: 0, chainId: '', progress: null })
    t.equal(await isOpen(freePort), false, 'the other source is not heard either')
    t.match(await node.signIn(single.persons.nurse, storePassword.slice()), { code: 'NODE_SEALED' })
    for (const folder of ['chain', 'votes']) {
      const owners = readdirSync(path.join(single.folder, folder)).filter((name) => name.endsWith('.owner'))
      t.same(owners, [], `${folder} is not held`)
    }
  }

  await close(intruder)
  t.match(await node.unlock(storePassword.slice()), { ok: true })
  t.equal(await isOpen(freePort), true)
  t.equal(await isOpen(takenPort), true)
  t.match(node.health(), { healthy: true, detail: 'running' })
  t.ok(node.status().height >= before.height)
  await single.signIn('nurse')
})

t.test('a genesis that does not name this node founds nothing', async (t) => {
  const single = await createSingleNode({ unfounded: true })
  t.teardown(() => single.close())
  const { node } = single
  const place = nodeFiles(single.folder).genesis

  t.match(await node.unlock(storePassword.slice()), { code: 'UNLOCK_FAILED', detail: /GENESIS_MISSING/ })
  t.equal(node.status().sealed, true)

  writeFileSync(place, 'no genesis')
  t.match(await node.unlock(storePassword.slice()), { code: 'UNLOCK_FAILED', detail: /GENESIS_MALFORMED/ })
  const foreign = { ...single.nodeCard, voteKey: generateSigningKey().publicKey }
  writeFileSync(place, genesisOf([foreign, ...single.personCards]))
  t.match(await node.unlock(storePassword.slice()), { code: 'UNLOCK_FAILED', detail: /IDENTITY_UNKNOWN/ })
  t.equal(node.status().sealed, true)
  t.ok(existsSync(place), 'the document is still there to look at')

  writeFileSync(place, single.genesis)
  t.match(await node.unlock(storePassword.slice()), { ok: true })
  t.notOk(existsSync(place), 'now it rests in the sealed store')
  await single.signIn('nurse')

  await node.seal()
  const nobody = { ...single.personCards[0], roles: [] }
  const people = [...single.personCards, nobody]
  t.throws(
    () => genesisOf([single.nodeCard, ...people]),
    { code: 'NETWORK_INVALID' },
    'a founder has a role',
  )
  writeFileSync(place, genesisOf([single.nodeCard, ...single.personCards]))
  const moved = await node.unlock(storePassword.slice())
  t.match(moved, { code: 'UNLOCK_FAILED', detail: /GENESIS_MALFORMED.*another network/ })
})

t.test('each cause of a refused unlock has a sentence of its own', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { node, folder } = single
  await node.seal()
  const files = nodeFiles(folder)
  const chain = path.join(files.chain, 'chain.lmdb')
  const { storeId } = listKeyslots(files.keyslots)
  /** The mark of the format as a later version would write it: before the id of the store. */
  const later = (bytes: Buffer): Buffer => {
    let count = 0
    for (let at = bytes.indexOf(storeId); at >= 0; at = bytes.indexOf(storeId, at + 1), count += 1)
      bytes[at - 1] = formatVersion + 1
    t.ok(count > 0, 'the mark is there')
    return bytes
  }
  const tries: [string, string, (bytes: Buffer) => Buffer | undefined][] = [
    ['UNLOCK_KEYSLOTS', files.keyslots, () => undefined],
    ['UNLOCK_KEYSLOTS', files.keyslots, (bytes) => bytes.subarray(0, bytes.length - 1)],
    ['UNLOCK_FOREIGN_STORE', chain, () => Buffer.alloc(65_536, 7)],
    ['UNLOCK_FOREIGN_STORE', files.identity, (bytes) => flipped(bytes, 12)],
    ['UNLOCK_NEWER_STORE', files.identity, (bytes) => flipped(bytes, 8, 0x80)],
    ['UNLOCK_NEWER_STORE', chain, later],
    ['UNLOCK_NEWER_STORE', path.join(files.votes, 'votes.lmdb'), later],
    ['UNLOCK_DAMAGED_STORE', files.identity, (bytes) => flipped(bytes, bytes.length - 1)],
  ]
  for (const [code, file, spoil] of tries) {
    const whole = readFileSync(file)
    const spoilt = spoil(Buffer.from(whole))
    if (spoilt) writeFileSync(file, spoilt)
    else rmSync(file)
    const before = digestOf(folder)
    t.match(await node.unlock(storePassword.slice()), { ok: false, code }, `${code} ${path.basename(file)}`)
    t.equal(node.status().sealed, true)
    t.same(digestOf(folder), before, 'nothing was changed')
    writeFileSync(file, whole)
  }
  t.match(await node.unlock(Buffer.from('not the password')), { code: 'KEYSLOT_REJECTED' })
  t.match(await node.unlock(storePassword.slice()), { ok: true }, 'all causes removed')
})

t.test('what the thread of the store said keeps its cause', (t) => {
  const logger = createNodeLogger('test', 'silent')
  for (const [words, code] of [
    ['TREE_PAGE_MISSING: a tree page is missing', 'UNLOCK_DAMAGED_STORE'],
    ['TREE_PAGE_MISMATCH: not a tree page', 'UNLOCK_DAMAGED_STORE'],
    ['STORE_FULL: writing chain.lmdb', 'UNLOCK_DISK'],
    // A failed read says so too: nothing about room, and not that nothing else is wrong.
    ['STORE_WRITE_FAILED: reading identity.sealed', 'UNLOCK_FAILED'],
    ['EXIT_1 while open', 'UNLOCK_FAILED'],
  ] as const)
    t.match(unlockFailure(new NodeError('EXECUTOR_FAILED', words), logger), { ok: false, code }, words)
  t.end()
})

/** Of every file but the locks and the executor's mark of the moment. */
function digestOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  const files = names.filter(
    (name) => statSync(path.join(folder, name)).isFile() && !/-lock$|\.owner$|^executing-now$/.test(name),
  )
  return Object.fromEntries(
    files.map((name) => [name, bytesToHex(sha256(readFileSync(path.join(folder, name))))]),
  )
}

function flipped(bytes: Buffer, at: number, mask = 1): Buffer {
  bytes[at] ^= mask
  return bytes
}

t.test('two unlocks, and a seal in between, take turns', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const { node } = single
  const sealed = node.seal()
  const unlocked = node.unlock(storePassword.slice())
  t.match(await node.unlock(storePassword.slice()), { code: 'UNLOCK_UNDER_WAY' }, 'one at a time')
  await sealed
  t.match(await unlocked, { ok: true }, 'the unlock waited for the seal')
  const other = new WardNode(single.folder, createNodeLogger('test', 'silent'))
  t.teardown(() => other.close())
  t.match(await other.unlock(storePassword.slice()), { code: 'UNLOCK_STORE_IN_USE' })
  t.equal(other.status().sealed, true)
  await node.seal()
  t.match(await other.unlock(storePassword.slice()), { ok: true }, 'nothing of the refused try is left')
})

t.test('a node that is behind answers late and judges nothing', async (t) => {
  const [port] = await freePorts(1, 'tcp')
  const single = await createSingleNode({ sources: [{ name: 'adt', port, accepts: ['ADT'] }] })
  t.teardown(() => single.close())
  await single.node.seal()
  const { config } = single.node
  const logger = createNodeLogger('test', 'silent')
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const ports = {
    onCommit: () => undefined,
    onTentative: () => undefined,
    metrics: new NodeMetrics(),
    onBehind: () => undefined,
    onFaultEnded: () => undefined,
    onFault: (code: string) => t.fail(code),
  }
  const node = await RunningNode.open(
    { folder: single.folder, config, logger, now: Date.now, ...ports },
    dataKey,
  )
  t.throws(() => node.driver, 'opened, but not in the network')
  await node.join()
  t.equal(await node.caughtUp(), true, 'the only validator is never behind')
  let isReady = false
  const bridge = await startHl7Bridge(
    config.sources,
    node,
    new NodeSequences(node.executor),
    logger,
    Date.now,
    () => Promise.resolve(isReady),
  )
  t.teardown(async () => {
    await bridge?.close()
    await node.close()
    dataKey.close()
  })
  const nowMs = Date.now()
  const envelope = { controlId: 'L1', sender: { application: 'ADT', facility: 'WARD' }, nowMs }
  const send = async (): Promise<string> =>
    Buffer.from(await sendMllp('127.0.0.1', port, buildAdmission(envelope, lisaJones(nowMs)))).toString(
      'utf8',
    )
  const late = await send()
  t.match(late, /NOT_FINAL_IN_TIME|LATE/, late)
  t.notMatch(late, /APPEND_NOT_GRANTED/, 'no judgement')
  isReady = true
  t.match(await send(), /APPEND_NOT_GRANTED/, 'now it is judged by the state of all')
})

const genesisOf = (cards: Card[]): Uint8Array =>
  initNetwork({ name: 'Another hospital', time: Date.now() - 1_000, cards, contracts: systemContracts() })
    .genesis
