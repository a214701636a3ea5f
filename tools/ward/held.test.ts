// `ward tx held` and `ward tx release` as an administrator meets them, on a running node whose executor died.
import t from 'tap'
import { startApi } from '../../host/api/server.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { until } from '../../host/node/patience.fixture.js'
import type { RunningNode } from '../../host/node/running-node.js'
import { createSingleNode, type SingleNode } from '../../host/node/single-node.fixture.js'
import { Device } from '../../host/pool/device.fixture.js'
import { sha256 } from '../../host/keys/crypto.js'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import { patienceMs, ward } from './appliance.fixture.js'

t.setTimeout(patienceMs)
const password = 'second password of the test'

const runningOf = (single: SingleNode): RunningNode =>
  (single.node as unknown as { unsealed: { node: RunningNode } }).unsealed.node

t.test('an administrator sees what is held back and lets it go', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const screens = { port: 0, host: '127.0.0.1', staticFolder: 'dist/shell' } as const
  const api = await startApi(screens, single.node, createNodeLogger('test', 'silent'))
  t.teardown(() => api.close())
  const held = (...args: string[]) => ward(['tx', 'held', ...args, '--api', api.url])
  const release = (label: string, ...args: string[]) =>
    ward(['tx', 'release', ...args, '--as', label, '--reason', 'a test', '--api', api.url], [password])
  const isFinal = (id: string) => async () => (await single.node.transaction(id)).ok

  const chainId = hexToBytes(single.node.status().chainId) ?? new Uint8Array(32)
  const device = await new Device(chainId).enrol(single, await single.signIn('admin'))
  const [guilty, innocent, lost] = [device.call(), device.call(), device.call()]
  const { pool } = runningOf(single)
  pool.held.add({
    ...{ since: Date.UTC(2026, 10, 1, 6), reason: 'EXECUTOR_DIED', height: 3 },
    running: {
      ...{ contract: 'acme/deep', address: 'ab'.repeat(32), method: 'go', depth: 0, height: 3 },
      ...{ transaction: guilty.id, cause: guilty.id },
    },
    bundles: [guilty, innocent, lost].map(({ bundle }) => ({
      hash: bytesToHex(sha256(bundle)),
      transaction: '',
    })),
  })
  await runningOf(single).submitMany([guilty.bundle, innocent.bundle])
  await until('they wait', () => pool.size === 2)

  const bundle = bytesToHex(sha256(lost.bundle))
  t.match(await held(), {
    status: 0,
    stdout: [
      '2026-11-01T06:00:00.000Z, height 3: the executor died while it ran them',
      `  ran: acme/deep.go (${'ab'.repeat(32)})`,
      `  ${guilty.id}  <- this one ran`,
      `  ${innocent.id}`,
      `  bundle ${bundle}, not seen again`,
      '',
    ].join('\n'),
  })
  const status = await ward(['status', '--api', api.url])
  t.match(status.stdout, /SET ASIDE +3 transactions are not proposed here.*\n.*`ward tx held`/)

  t.match(await release('Test nurse', '--all'), { status: 1, stderr: /\[ADMINISTRATOR_REQUIRED\]/ })
  t.match(await release('Test admin'), { status: 2, stderr: /say which: ids, --others or --all/ })
  t.match(await release('Test admin', '00'.repeat(32)), { status: 1, stderr: /\[HELD_UNKNOWN\]/ })
  t.equal(pool.size, 2, 'nothing went yet')

  const others = '2 let go: this node may propose them again; 1 held back\n'
  t.match(await release('Test admin', '--others'), { status: 0, stdout: others })
  await until('the innocent one is final', isFinal(innocent.id))
  t.equal(pool.size, 1, 'the one that ran waits on')
  const list = JSON.parse((await held('--json')).stdout) as { held: object[] }
  t.match(list.held, [{ height: 3, transactions: [{ transaction: guilty.id, ran: true }] }])
  const named = await release('Test admin', guilty.id.slice(0, 8), '--json')
  t.same(JSON.parse(named.stdout), { released: 1, left: 0, saved: true }, named.stderr)
  await until('it is final', isFinal(guilty.id))
  t.match(await held(), { stdout: 'nothing is held back here\n' })
})
