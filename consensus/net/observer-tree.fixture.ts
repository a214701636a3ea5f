// Observers in two levels over real connections: four validators and the relays under them as processes of
// their own, so that they can be killed without a goodbye; the leaves, each with its own key, socket and
// core, in this process. Every leaf dials two relays under different validators.
import { fork, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { verifyCertificate } from '../../runtime/protocol/certificate.js'
import { newBundle, startReplica, TestChain, validatorSet, type TestReplica } from './chain.fixture.js'
import type { ClusterNodeOptions, FromNode, ToNode } from './cluster-node.fixture.js'
import { freePorts } from './free-ports.js'
import {
  host,
  identity,
  patienceMs,
  testVerify,
  type TestIdentity,
  type TestNetwork,
} from './network.fixture.js'
import type { FinalBlock } from './ports.js'
import type { PeerId } from './transport.js'

const program = fileURLToPath(new URL('./cluster-node.fixture.js', import.meta.url))
const validatorCount = 4
const firstRelay = 100
const firstLeaf = 1_000

export interface TreeShape {
  relays: number
  leaves: number
  /** Further sources that every leaf dials: liars of a test. */
  liars?: readonly { peer: PeerId; port: number }[]
}

interface Process {
  identity: TestIdentity
  child: ChildProcess
  height: number
  isReady: boolean
}

export interface Leaf {
  replica: TestReplica
  /** When it had each height, ms since 1970; index is height - 1. */
  readonly finalAt: number[]
  /** Blocks that it took for final without a certificate of the quorum over them. Must stay 0. */
  uncertified: number
}

const nowMs = (): number => performance.timeOrigin + performance.now()

export class ObserverTree {
  readonly leaves: Leaf[] = []
  readonly relays: Process[] = []
  readonly validators: Process[] = []
  /** When each height was first final at a validator, ms since 1970. */
  readonly firstFinalAt: number[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'wardchain-tree-'))

  private constructor(
    readonly network: TestNetwork,
    readonly shape: TreeShape,
  ) {}

  static async grow(shape: TreeShape): Promise<ObserverTree> {
    const ports = await freePorts(validatorCount + shape.relays, 'udp')
    const validators = Array.from({ length: validatorCount }, (_, index) => identity(index))
    const relays = Array.from({ length: shape.relays }, (_, index) => identity(firstRelay + index))
    const book = new Map(
      [...validators, ...relays].map(({ peer }, index) => [peer, { host, port: ports[index] }]),
    )
    for (const { peer, port } of shape.liars ?? []) book.set(peer, { host, port })
    const chainId = new Uint8Array(32).fill(7)
    const tree = new ObserverTree({ chainId, book, validators }, shape)
    try {
      await tree.#grow(ports)
    } catch (error) {
      // Nobody else would end its processes, and the test would never end.
      await tree.close()
      throw error
    }
    return tree
  }

  async #grow(ports: readonly number[]): Promise<void> {
    const { shape } = this
    const { validators } = this.network
    const relays = Array.from({ length: shape.relays }, (_, index) => identity(firstRelay + index))
    const [members, under] = [validators, relays].map((list) => list.map(({ peer }) => peer))
    const leaves = Array.from({ length: shape.leaves }, (_, index) => identity(firstLeaf + index))
    for (const own of validators) {
      const others = members.filter((peer) => peer !== own.peer)
      this.#start(this.validators, own, { role: 'validator', dial: others, allowed: [...others, ...under] })
    }
    const below = leaves.map(({ peer }) => peer)
    relays.forEach((own, index) => {
      const dial = [members[index % validatorCount], members[(index + 1) % validatorCount]]
      const port = ports[validatorCount + index]
      this.#start(this.relays, own, { role: 'observer', dial, allowed: [...members, ...below], port })
    })
    await this.until('the processes are up', () => this.#processes.every(({ isReady }) => isReady))
    for (const [index, own] of leaves.entries()) await this.#plant(own, index)
  }

  get #processes(): Process[] {
    return [...this.validators, ...this.relays]
  }

  #start(
    list: Process[],
    own: TestIdentity,
    parts: Pick<ClusterNodeOptions, 'role' | 'dial' | 'allowed' | 'port'>,
  ): void {
    const folder = join(this.#folder, String(own.number))
    mkdirSync(folder)
    const options: ClusterNodeOptions = {
      ...{ number: own.number, folder, validatorCount, book: [...this.network.book] },
      ...parts,
    }
    const child = fork(program, [JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const entry: Process = { identity: own, child, height: 0, isReady: false }
    child.on('message', (message: FromNode) => {
      if (message.type === 'ready') entry.isReady = true
      if (message.type !== 'final') return
      entry.height = message.height
      if (parts.role !== 'validator') return
      const known = this.firstFinalAt[message.height - 1] ?? Infinity
      this.firstFinalAt[message.height - 1] = Math.min(known, message.at)
    })
    list.push(entry)
  }

  /** Relays of one leaf are neighbours, so under different validators. */
  async #plant(own: TestIdentity, index: number): Promise<void> {
    const { relays, liars = [] } = this.shape
    const sources = [index % relays, (index + 1) % relays].map((at) => this.relays[at].identity.peer)
    const dial = [...sources, ...liars.map(({ peer }) => peer)]
    const leaf: Omit<Leaf, 'replica'> = { finalAt: [], uncertified: 0 }
    const chain = new TestChain(validatorSet(this.network), this.network.chainId)
    const replica = await startReplica(this.network, own, {
      ...{ role: 'observer', chain },
      network: { dial, allowed: dial },
      events: {
        onFinal: (final) => {
          leaf.finalAt.push(nowMs())
          if (!this.#isCertified(final)) leaf.uncertified += 1
        },
      },
    })
    this.leaves.push(Object.assign(leaf, { replica }))
  }

  /** Asked of the protocol's own verifier, beside what the core did. */
  #isCertified({ certificate }: FinalBlock): boolean {
    const { chainId } = this.network
    const trust = { chainId, epoch: 0, validators: validatorSet(this.network).members }
    return verifyCertificate(certificate, trust, testVerify).ok
  }

  submit(): void {
    const bundle = Buffer.from(newBundle()).toString('hex')
    const message: ToNode = { type: 'submit', bundle }
    for (const { child } of this.validators) if (child.connected) child.send(message)
  }

  /** Links to peers that are up, all leaves together. */
  get connections(): number {
    return this.leaves.reduce((sum, { replica }) => sum + replica.driver.status().peers.length, 0)
  }

  get tip(): number {
    return Math.max(0, ...this.validators.map(({ height }) => height))
  }

  /** From final at the first validator to each leaf, ms, for the heights above `from`. */
  lags(from: number, leaves: readonly Leaf[] = this.leaves): number[] {
    return leaves.flatMap(({ finalAt }) =>
      finalAt.slice(from).map((at, index) => at - (this.firstFinalAt[from + index] ?? at)),
    )
  }

  /** Submits every `everyMs` until all leaves have `count` more blocks. */
  async run(count: number, everyMs: number, timeoutMs = patienceMs): Promise<void> {
    const goal = this.tip + count
    let submittedAt = 0
    await this.until(
      `height ${goal} on every leaf`,
      () => {
        if (nowMs() - submittedAt >= everyMs) {
          submittedAt = nowMs()
          this.submit()
        }
        return this.leaves.every(({ finalAt }) => finalAt.length >= goal)
      },
      timeoutMs,
    )
  }

  /** Leaves that take their blocks from this relay are not known; all that dial it are given. */
  leavesUnder(relay: Process): Leaf[] {
    return this.leaves.filter(({ replica }) =>
      replica.driver.status().peers.some(({ peer }) => peer === relay.identity.peer),
    )
  }

  async signal(target: Process, name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    if (target.child.exitCode !== null || target.child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => target.child.once('exit', () => resolve()))
    target.child.kill(name)
    if (name === 'SIGKILL') await gone
  }

  async until(what: string, holds: () => boolean, timeoutMs = patienceMs): Promise<void> {
    const end = nowMs() + timeoutMs
    while (!holds()) {
      if (nowMs() > end) {
        const heights = this.leaves.map(({ finalAt }) => finalAt.length).join()
        throw new Error(`not within ${timeoutMs} ms: ${what}; tip ${this.tip}, leaves ${heights}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async close(): Promise<void> {
    for (const { child } of this.#processes) child.kill('SIGKILL')
    await Promise.all(this.leaves.map(({ replica }) => replica.driver.close()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Blocks of a leaf and of a validator are the same ones. */
  chainOf(leaf: Leaf): string[] {
    return leaf.replica.chain.finals.map(({ certificate }) => bytesToHex(certificate.blockHash))
  }
}
