// Real processes on loopback: SIGKILL, SIGSTOP, partitions, power loss of the whole site. No acknowledged
// transaction is lost, there is one history, and things are quick enough.

import t, { type Test } from 'tap'
import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClusterNodeOptions, FromNode, ToNode } from './cluster-node.fixture.js'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { newBundle } from './chain.fixture.js'
import { freePorts } from './free-ports.js'
import { host, identity, patienceMs, until } from './network.fixture.js'
import type { PeerId } from './transport.js'
import type { Role } from './wire.js'

const program = fileURLToPath(new URL('./cluster-node.fixture.js', import.meta.url))

type Report = Extract<FromNode, { type: 'report' }>

class ClusterNode {
  readonly options: ClusterNodeOptions
  child: ChildProcess | null = null
  ready = false
  height = 0
  halts: string[] = []
  alarms: string[] = []
  finalAt = 0
  #reported: ((report: Report) => void) | null = null

  constructor(options: ClusterNodeOptions) {
    this.options = options
  }

  start(): void {
    this.ready = false
    const child = fork(program, [JSON.stringify(this.options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.child = child
    child.on('message', (message: FromNode) => {
      if (message.type === 'ready') this.ready = true
      if (message.type === 'halt') this.halts.push(message.code)
      if (message.type === 'alarm') this.alarms.push(message.code)
      if (message.type === 'report') this.#reported?.(message)
      if (message.type !== 'final') return
      this.height = message.height
      this.finalAt = performance.now()
    })
  }

  tell(message: ToNode): void {
    this.child?.send(message)
  }

  report(): Promise<Report> {
    const { number } = this.options
    const answer = new Promise<Report>((resolve, reject) => {
      const tell = (): void => reject(new Error(`node ${number} told nothing for ${patienceMs} ms`))
      const timer = setTimeout(tell, patienceMs)
      this.#reported = (report) => {
        clearTimeout(timer)
        resolve(report)
      }
    })
    this.tell({ type: 'report' })
    return answer
  }

  async signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const { child } = this
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(name)
    if (name !== 'SIGKILL') return
    await gone
    this.child = null
  }
}

class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'wardchain-cluster-'))
  readonly nodes: ClusterNode[] = []
  readonly #book: [PeerId, { host: string; port: number }][]
  readonly #validatorCount: number
  #submitted: string[] = []

  constructor(ports: number[]) {
    this.#validatorCount = ports.length
    this.#book = ports.map((port, index) => [identity(index).peer, { host, port }])
  }

  get peers(): PeerId[] {
    return this.#book.map(([peer]) => peer)
  }

  add(number: number, role: Role, dial: PeerId[], allowed: PeerId[]): ClusterNode {
    const folder = join(this.folder, String(number))
    mkdirSync(folder)
    const validatorCount = this.#validatorCount
    const node = new ClusterNode({ number, role, folder, validatorCount, book: this.#book, dial, allowed })
    this.nodes.push(node)
    node.start()
    return node
  }

  /** The bundle in hex. */
  submit(to: ClusterNode): string {
    const bundle = Buffer.from(newBundle()).toString('hex')
    this.#submitted.push(bundle)
    to.tell({ type: 'submit', bundle })
    return bundle
  }

  /** Submits at these nodes in turn until all have reached the height. */
  async runTo(nodes: readonly ClusterNode[], height: number): Promise<void> {
    const start = performance.now()
    for (let turn = 0; nodes.some((node) => node.height < height); turn++) {
      if (performance.now() - start > patienceMs) {
        throw new Error(`heights ${nodes.map((node) => node.height).join()} below ${height}`)
      }
      this.submit(nodes[turn % nodes.length])
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }

  /** Equal histories, and everything that was submitted at a living node is final exactly once. */
  async assertWhole(t: Test, nodes: readonly ClusterNode[]): Promise<void> {
    const wanted = this.#submitted
    const isWhole = async () => {
      const reports = await Promise.all(nodes.map((node) => node.report()))
      const all = reports.every(({ bundles }) => wanted.every((bundle) => bundles.includes(bundle)))
      return all && new Set(reports.map(({ height }) => height)).size === 1 ? reports : null
    }
    const start = performance.now()
    let reports = await isWhole()
    while (reports === null && performance.now() - start < patienceMs) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      reports = await isWhole()
    }
    if (reports === null) return void t.fail('a submitted transaction is missing or heights differ')
    for (const { pairs, bundles } of reports) {
      t.same(pairs, reports[0].pairs, 'one history')
      t.equal(new Set(bundles).size, bundles.length, 'exactly once')
    }
    for (const node of nodes) t.same(node.halts, [])
  }

  /** What was submitted at a node that then died may be lost: nobody else had acknowledged it. */
  forgetSubmitted(): void {
    this.#submitted = []
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.signal('SIGKILL')))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function startCluster(t: Test, count: number): Promise<Cluster> {
  const cluster = new Cluster(await freePorts(count, 'udp'))
  t.teardown(() => cluster.stop())
  for (let number = 0; number < count; number++) {
    const others = cluster.peers.filter((_, index) => index !== number)
    cluster.add(number, 'validator', others, [...others, identity(60).peer])
  }
  await until(() => cluster.nodes.every((node) => node.ready), patienceMs, 'processes')
  return cluster
}

async function leaderOf(nodes: readonly ClusterNode[]): Promise<ClusterNode> {
  const { leader } = await nodes[0].report()
  const found = nodes.find(({ options }) => bytesToHex(identity(options.number).nodeId) === leader)
  if (found === undefined) throw new Error('no leader')
  return found
}

/** From now until all of these have one more final block, milliseconds. */
async function nextBlock(cluster: Cluster, nodes: readonly ClusterNode[]): Promise<number> {
  const heights = nodes.map((node) => node.height)
  cluster.submit(nodes[0])
  return until(() => nodes.every((node, index) => node.height > heights[index]), 10000, 'the next block')
}

t.test('a killed leader is replaced; it catches up when it is back', async (t) => {
  const cluster = await startCluster(t, 4)
  const { nodes } = cluster
  await cluster.runTo(nodes, 5)
  await cluster.assertWhole(t, nodes)
  const dead = await leaderOf(nodes)
  const others = nodes.filter((node) => node !== dead)
  await dead.signal('SIGKILL')
  t.comment(`leader-failover after SIGKILL: ${Math.round(await nextBlock(cluster, others))} ms`)
  await cluster.runTo(others, others[0].height + 10)
  dead.start()
  await until(() => dead.ready, patienceMs, 'the process of the killed one')
  await until(() => dead.height >= others[0].height, 15000, 'the killed one caught up')
  await cluster.runTo(nodes, others[0].height + 5)
  await cluster.assertWhole(t, nodes)
})

t.test('a frozen leader is replaced; it comes back in the middle of everything', async (t) => {
  const cluster = await startCluster(t, 4)
  const { nodes } = cluster
  await cluster.runTo(nodes, 3)
  const frozen = await leaderOf(nodes)
  const others = nodes.filter((node) => node !== frozen)
  await frozen.signal('SIGSTOP')
  t.comment(`leader-failover after SIGSTOP: ${Math.round(await nextBlock(cluster, others))} ms`)
  await cluster.runTo(others, others[0].height + 10)
  // Long enough for the others to have dropped the connection.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  await frozen.signal('SIGCONT')
  const tookMs = await until(() => frozen.height >= others[0].height, 10000, 'the frozen one caught up')
  t.comment(`caught up after SIGCONT: ${Math.round(tookMs)} ms`)
  await cluster.assertWhole(t, nodes)
})

t.test('all nodes killed at once resume by themselves', async (t) => {
  const cluster = await startCluster(t, 4)
  const { nodes } = cluster
  await cluster.runTo(nodes, 5)
  await Promise.all(nodes.map((node) => node.signal('SIGKILL')))
  cluster.forgetSubmitted()
  const before = Math.max(...nodes.map((node) => node.height))
  for (const node of nodes) node.start()
  await until(() => nodes.every((node) => node.ready), patienceMs, 'processes')
  await cluster.runTo(nodes, before + 3)
  await cluster.assertWhole(t, nodes)
})

t.test('a healed partition is whole within 10 s', async (t) => {
  const cluster = await startCluster(t, 4)
  const { nodes } = cluster
  await cluster.runTo(nodes, 3)
  // Two against two: nobody has a quorum, nothing becomes final, nothing is lost.
  const [a, b] = [nodes.slice(0, 2), nodes.slice(2)]
  const peersOf = (group: ClusterNode[]) => group.map((node) => identity(node.options.number).peer)
  for (const node of a) node.tell({ type: 'drop', peers: peersOf(b) })
  for (const node of b) node.tell({ type: 'drop', peers: peersOf(a) })
  // Who reports has obeyed: from now on nothing crosses, and what was under way is older than what follows.
  await Promise.all(nodes.map((node) => node.report()))
  const submitted = nodes.map((node) => cluster.submit(node))
  await new Promise((resolve) => setTimeout(resolve, 3000))
  for (const { bundles } of await Promise.all(nodes.map((node) => node.report())))
    t.notOk(
      submitted.some((bundle) => bundles.includes(bundle)),
      'no quorum, no block',
    )
  const stuck = nodes.map((node) => node.height)
  for (const node of nodes) node.tell({ type: 'drop', peers: [] })
  const tookMs = await until(
    () => nodes.every((node) => node.height > Math.max(...stuck)),
    10000,
    'whole again',
  )
  t.comment(`partition healed to next block: ${Math.round(tookMs)} ms`)
  await cluster.assertWhole(t, nodes)
})

t.test('an observer process survives the loss of an upstream and of itself', async (t) => {
  const cluster = await startCluster(t, 4)
  const validators = [...cluster.nodes]
  const dial = cluster.peers.slice(0, 3)
  const observer = cluster.add(60, 'observer', dial, dial)
  await cluster.runTo([...validators, observer], 5)
  await validators[0].signal('SIGKILL')
  const alive = validators.slice(1)
  await cluster.runTo([...alive, observer], observer.height + 5)
  await observer.signal('SIGKILL')
  cluster.forgetSubmitted()
  await cluster.runTo(alive, alive[0].height + 20)
  observer.start()
  await until(() => observer.ready, patienceMs, 'the process of the observer')
  await until(() => observer.height >= alive[0].height, 10000, 'the observer caught up')
  cluster.submit(observer)
  await cluster.assertWhole(t, [...alive, observer])
})
