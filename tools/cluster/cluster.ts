// A network of real daemons under load, and what may be done to it: kill, freeze, cut off, restart, wipe.
// Every fault has its cure, and every cure says how long it took until the network was whole.
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkHistory } from '../../consensus/sim/history.js'
import type { ApiClient } from '../../host/api/client.js'
import type { NodeStatus, Outcome } from '../../host/api/node-port.js'
import { must } from '../ward/connect.js'
import { createBareNetwork, normalSet, type LoadNetwork } from '../benches/load.js'
import { patienceMs, sleep } from '../story/network.js'
import type { StoryShape } from '../story/plan.js'
import { ClientHistory, compareWith, eventsOf, orderProblems } from './history.js'
import { rejoin } from './rejoin.js'

/** What the system promises; on a machine that is shared with others a test may be more patient. */
export interface Promises {
  /** Leader gone to next block final. */
  failoverMs: number
  /** Partition healed to all nodes at one height and root. */
  healMs: number
  /** Killed or wiped node started again to whole. */
  restartMs: number
}

export const promises: Promises = { failoverMs: 3_000, healMs: 10_000, restartMs: 60_000 }

export interface Measured {
  fault: string
  ms: number
  boundMs: number
}

export class Cluster {
  readonly measured: Measured[] = []
  readonly history: ClientHistory
  private readonly gone = new Set<string>()
  /** They may have begun with a snapshot, and then know no older receipts. */
  private readonly newcomers = new Set<string>()
  private readonly probes: Promise<void>[] = []
  private readonly folder: string

  private constructor(
    private readonly load: LoadNetwork,
    patient: Uint8Array,
    private readonly bounds: Promises,
    private readonly say: (text: string) => void,
  ) {
    this.folder = load.network.plan.folder
    this.history = new ClientHistory({
      clients: 3,
      nodes: () => this.names.filter((name) => !this.gone.has(name)),
      api: (name) => this.freshApi(name),
      bundle: () => load.devices[0].bundle(patient, normalSet.slice(0, 1), Date.now()),
      pauseMs: 40,
    })
  }

  /** Founds and starts a network; clients begin to write at once. */
  static async start(shape: StoryShape, bounds: Promises, say: (text: string) => void): Promise<Cluster> {
    const load = await createBareNetwork(1, shape, (folder) => (name) => {
      return { WARDCHAIN_TEST_CUTS: path.join(folder, `${name}.cuts`) }
    })
    try {
      return new Cluster(load, await load.admit(), bounds, say)
    } catch (error) {
      await load.close()
      throw error
    }
  }

  get names(): string[] {
    return this.load.network.plan.nodes.map(({ name }) => name)
  }

  get validators(): string[] {
    return this.load.network.plan.nodes.filter(({ role }) => role === 'validator').map(({ name }) => name)
  }

  get followers(): string[] {
    return this.names.filter((name) => !this.validators.includes(name))
  }

  /** A client of its own for every call: none waits behind another's frozen connection. */
  private freshApi(name: string): ApiClient {
    return this.load.network.freshApi(name)
  }

  private async status(name: string): Promise<NodeStatus> {
    return must((await this.freshApi(name).status()) as Outcome<NodeStatus>)
  }

  async leader(): Promise<string> {
    const alive = this.validators.filter((name) => !this.gone.has(name))
    return (await this.status(alive[0])).leader
  }

  // ------------------------------------------------------------------------------------------------ faults

  async kill(...names: string[]): Promise<void> {
    for (const name of names) this.gone.add(name)
    await Promise.all(names.map((name) => this.load.network.processes.kill(name)))
  }

  freeze(name: string): void {
    this.gone.add(name)
    this.load.network.processes.freeze(name)
  }

  /** Cuts the network into two; clients may still ask both sides. */
  partition(names: readonly string[]): void {
    const others = this.names.filter((name) => !names.includes(name))
    for (const name of this.names) this.cutsOf(name, names.includes(name) ? others : names)
  }

  private cutsOf(name: string, from: readonly string[]): void {
    writeFileSync(path.join(this.folder, `${name}.cuts`), from.join('\n'))
  }

  // ------------------------------------------------------------------------------------------------- cures

  async restart(...names: string[]): Promise<void> {
    const { network } = this.load
    for (const name of names) network.processes.start(network.node(name))
    for (const name of names) await network.unlock(name)
    for (const name of names) this.gone.delete(name)
  }

  thaw(name: string): void {
    this.load.network.processes.thaw(name)
    this.gone.delete(name)
  }

  heal(): void {
    for (const name of this.names) this.cutsOf(name, [])
  }

  /**
   * A machine that lost its disk but not its keys: blocks and votes are gone, the founding document is put
   * back, and the node takes everything from the others. A new identity comes by `ward join` instead.
   */
  async wipe(name: string): Promise<void> {
    if (this.load.network.processes.isRunning(name)) await this.kill(name)
    const own = path.join(this.folder, name)
    for (const part of ['chain', 'votes']) rmSync(path.join(own, part), { recursive: true, force: true })
    copyFileSync(path.join(this.folder, 'genesis.cbor'), path.join(own, 'genesis.cbor'))
    await this.restart(name)
  }

  /** A machine that lost its disk and its keys: `ward join` with a new identity, see rejoin.ts. */
  async rejoin(name: string): Promise<void> {
    const { network } = this.load
    if (network.processes.isRunning(name)) await this.kill(name)
    const asker = this.validators.find((other) => !this.gone.has(other)) ?? this.validators[0]
    const fresh = await rejoin(network, network.node(name), asker)
    this.gone.delete(name)
    this.newcomers.add(fresh.name)
  }

  // ----------------------------------------------------------------------------------------------- waiting

  /** Waits for a block that is final at some node that is up, from a client that asks until it has one. */
  async nextBlock(fault: string): Promise<void> {
    const before = this.history.acknowledged.length
    const begun = Date.now()
    const answered = (): boolean =>
      this.history.acknowledged.slice(before).some(({ sentAt }) => sentAt >= begun)
    const alive = this.validators.filter((name) => !this.gone.has(name))
    for (const name of alive) this.probes.push(this.history.send(name))
    await this.until(`a block after: ${fault}`, patienceMs, async () => Promise.resolve(answered()))
    this.book(fault, begun, this.bounds.failoverMs)
  }

  /** Waits until all nodes that are up are connected and stand where the others stand. */
  async whole(fault: string, boundMs: number): Promise<void> {
    const begun = Date.now()
    await this.until(`whole after: ${fault}`, patienceMs, () => this.isWhole())
    this.book(fault, begun, boundMs)
  }

  async wholeAfterHeal(fault: string): Promise<void> {
    await this.whole(fault, this.bounds.healMs)
  }

  async wholeAfterRestart(fault: string): Promise<void> {
    await this.whole(fault, this.bounds.restartMs)
  }

  /** Under load heights differ by the block in flight; nobody lags, votes reach everybody. */
  private async isWhole(): Promise<boolean> {
    const statuses = await Promise.all(
      this.names.filter((name) => !this.gone.has(name)).map((name) => this.status(name)),
    )
    const highest = Math.max(...statuses.map(({ height }) => height))
    const peersWanted = this.validators.length - 1
    return statuses.every((status) => {
      const isConnected = status.role !== 'validator' || status.peersConnected >= peersWanted
      return status.height >= highest - 2 && isConnected && status.view === 0
    })
  }

  private book(fault: string, begun: number, boundMs: number): void {
    const ms = Date.now() - begun
    this.measured.push({ fault, ms, boundMs })
    this.say(`${fault}: ${ms} ms`)
  }

  private async until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!(await holds())) {
      if (Date.now() > deadline)
        throw new Error(`${what}: not within ${timeoutMs} ms\n${this.load.network.processes.lastWords()}`)
      await sleep(50)
    }
  }

  // ----------------------------------------------------------------------------------------------- verdict

  /** Ends the load, waits for one height and root on every node, and compares what clients were told. */
  async verdict(): Promise<{
    problems: string[]
    acknowledged: number
    unanswered: number
    height: number
  }> {
    await this.history.stop()
    await Promise.all(this.probes)
    const statuses = await this.load.network.converge(patienceMs)
    const problems = orderProblems(this.history.acknowledged)
    const witnesses = this.names.filter((name) => !this.newcomers.has(name))
    const first = await compareWith(this.freshApi(witnesses[0]), this.history)
    problems.push(...first.problems)
    // One order explains all of it: the simulator's check, over a real network.
    problems.push(...checkHistory(eventsOf(this.history, first)))
    for (const name of witnesses.slice(1)) {
      const own = await compareWith(this.freshApi(name), this.history)
      problems.push(...own.problems.map((problem) => `${name}: ${problem}`))
      for (const [id, height] of first.places) {
        if (own.places.get(id) !== height)
          problems.push(`${name}: ${id.slice(0, 8)} in ${own.places.get(id) ?? 'no block'}, not ${height}`)
      }
      if (own.places.size !== first.places.size) problems.push(`${name}: another number of transactions`)
    }
    const { acknowledged, unanswered } = this.history
    const { height } = statuses[0].status
    return { problems, acknowledged: acknowledged.length, unanswered: unanswered.length, height }
  }

  async close(): Promise<void> {
    await this.history.stop().catch(() => undefined)
    await this.load.close()
  }
}
