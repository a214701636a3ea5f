// No packet leaves the configured addresses: seen from the kernel of an isolated network (network.md 11).

import t from 'tap'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./egress.fixture.js', import.meta.url))
const isolated = (command: string) => spawnSync('unshare', ['-rn', 'sh', '-c', command], { timeout: 60000 })
const canIsolate = isolated('ip link set lo up').status === 0

t.test(
  'a working network, one dead peer included, asks nobody outside',
  { skip: canIsolate ? false : 'this machine forbids network namespaces' },
  async (t) => {
    const run = isolated(`ip link set lo up && exec "${process.execPath}" "${program}"`)
    t.equal(run.status, 0, run.stderr.toString())
    const { ownPackets, withControl } = JSON.parse(run.stdout.toString()) as Record<string, number>
    t.equal(ownPackets, 0, 'no packet to any address but loopback')
    t.equal(withControl, 1, 'the counter would have shown one')
  },
)
