// Run inside a network namespace that has nothing but loopback: starts a small network, lets it work, and
// prints how
// many packets the kernel could not route. A control packet to a public address shows that the counter
// counts.

import { createSocket } from 'node:dgram'
import { readFileSync, rmSync } from 'node:fs'
import { newBundle, startReplica } from './chain.fixture.js'
import { identity, testNetwork, until } from './network.fixture.js'

/** `OutNoRoutes` of the whole namespace. */
function unroutable(): number {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
  return Number(values.split(' ')[names.split(' ').indexOf('OutNoRoutes')])
}

const network = await testNetwork(4)
const observer = identity(80)
const replicas = await Promise.all(
  network.validators.map((own) => {
    const others = network.validators.filter(({ peer }) => peer !== own.peer).map(({ peer }) => peer)
    return startReplica(network, own, { network: { allowed: [...others, observer.peer], dial: others } })
  }),
)
const follower = await startReplica(network, observer, { role: 'observer' })
await until(() => follower.driver.status().peers.length === 4, 15000, 'mesh')
for (let count = 0; count < 3; count++) {
  const height = follower.chain.finals.length
  replicas[count].submit(newBundle())
  await until(() => follower.chain.finals.length > height, 15000, 'a block')
}
// One dies: dialling a dead peer must not make anybody look further either.
await replicas[3].driver.close()
await new Promise((resolve) => setTimeout(resolve, 4000))
const ownPackets = unroutable()
const socket = createSocket('udp4')
await new Promise<void>((resolve) => socket.send('x', 49737, '192.0.2.1', () => resolve()))
process.stdout.write(`${JSON.stringify({ ownPackets, withControl: unroutable() })}\n`)
for (const { votes } of replicas) rmSync(votes?.folder ?? '', { recursive: true, force: true })
process.exit(0)
