// Runs the pure core: one event at a time, its actions strictly in order, a record on disk before what
// follows it
// leaves (R16). Owns the core's state, its timers and its event queue; knows nothing of sockets.

import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { unreachable } from '../../runtime/protocol/result.js'
import { createCore, step } from '../pbft/index.js'
import type {
  Action,
  Block,
  CoreConfig,
  CoreEvent,
  CoreMessage,
  CoreState,
  Detail,
  SafetyRecord,
  TimerId,
} from '../pbft/index.js'
import { NetError } from './errors.js'
import { loopSliceMs, measureMs, measuredMsMax } from './limits.js'
import type { Clock, DriverPorts, FinalBlock, HaltReason, ValidatorSet } from './ports.js'
import { decodeSafety, SafetyWriter } from '../driver/safety-codec.js'

/** What the runner asks of the network side. */
export interface RunnerEffects {
  /** `to` null: all members. */
  send(to: Uint8Array | null, message: CoreMessage): void
  requestBlocks(to: Uint8Array, fromHeight: number, count: number): void
  sendBlocks(to: Uint8Array, fromHeight: number): void
  resendEmergency(): void
  /** Durable, and the core knows. */
  finalized(final: FinalBlock, resultHash: Uint8Array, latencyMs: number): void
  validatorsChanged(validators: ValidatorSet): void
  /**
   * Works on the next frame from the network: an event, or null when it gave none, or 'idle' when none
   * waits.
   */
  nextEvent(): CoreEvent | null | 'idle'
}

export class CoreRunner {
  readonly core: CoreState
  readonly clock: Clock
  halted: { code: HaltReason; detail: Detail } | null = null
  readonly #ports: DriverPorts
  readonly #effects: RunnerEffects
  readonly #writer: SafetyWriter | null
  readonly #events: CoreEvent[] = []
  readonly #timers = new Map<TimerId, NodeJS.Timeout>()
  /** Block hash hex -> when this node first had it, for latencies. */
  readonly #seenAt = new Map<string, number>()
  readonly #latenciesMs: number[] = []
  readonly #loopDelay: IntervalHistogram
  readonly #measureTimer: NodeJS.Timeout
  #running = false
  #stepping = false
  #closed = false
  #inFlight = 0
  #idle: (() => void)[] = []

  private constructor(config: CoreConfig, ports: DriverPorts, effects: RunnerEffects) {
    this.#ports = ports
    this.#effects = effects
    this.clock = ports.clock ?? { now: () => Date.now() }
    const { signature, hash, payloadMatches } = ports
    this.core = createCore(config, {
      hash,
      payloadMatches,
      sign: (bytes) => signature.sign(bytes),
      verify: (publicKey, bytes, signed) => signature.verify(publicKey, bytes, signed),
    })
    this.#writer =
      ports.votes === null ? null : new SafetyWriter(config.chainId, ports.hash, ports.votes.load())
    this.#loopDelay = monitorEventLoopDelay({ resolution: loopDelayResolutionMs })
    this.#loopDelay.enable()
    this.#measureTimer = setInterval(() => this.#measure(), measureMs)
    this.#measureTimer.unref()
  }

  /** Reads tip and safety record and gives the core its first event. */
  static async start(config: CoreConfig, ports: DriverPorts, effects: RunnerEffects): Promise<CoreRunner> {
    const [tip, validators] = await Promise.all([ports.chain.tip(), ports.chain.validators()])
    const nothing = { safety: null, amnesia: false }
    const { safety, amnesia } =
      ports.votes === null ? nothing : decodeSafety(ports.votes.load(), config.chainId)
    const runner = new CoreRunner(config, ports, effects)
    if (safety !== null && safety.epoch < config.epoch)
      for (const block of blocksIn(safety)) await ports.transactions.takeBack(block)
    const waiting = ports.transactions.waiting()
    effects.validatorsChanged(validators)
    const { proposal } = safety ?? { proposal: null }
    const leavesProposal = proposal !== null && ports.transactions.isHeld(proposal.block)
    const start = { type: 'start', now: runner.clock.now(), safety, amnesia, tip, validators } as const
    runner.push({ ...start, waiting, leavesProposal })
    return runner
  }

  /** Queues an event of this node's own; frames from peers are fetched with `nextEvent`. */
  push(event: CoreEvent): void {
    if (this.#closed || this.halted !== null) return
    this.#events.push(event)
    this.wake()
  }

  /** The node leaves on purpose: a leader hands over before its connections close (R3). */
  standDown(): void {
    // Never inside a list of actions: each is carried out to its end before the next event.
    if (!this.#closed && !this.#stepping) this.#step({ type: 'standDown', now: this.clock.now() })
  }

  /** Something waits: work at the end of this turn. */
  wake(): void {
    if (this.#running || this.#closed) return
    this.#running = true
    queueMicrotask(() => this.#run())
  }

  /**
   * The next message of a peer. Decoders are total; should one throw all the same, the frame is lost and the
   * node is not: what a peer sends must never end this process.
   */
  #nextEvent(): ReturnType<RunnerEffects['nextEvent']> {
    try {
      return this.#effects.nextEvent()
    } catch (error) {
      this.#ports.logger?.error({ code: 'MESSAGE_DECODER_FAILED', error: String(error) }, 'frame dropped')
      return null
    }
  }

  #run(): void {
    const sliceEnd = performance.now() + loopSliceMs
    for (;;) {
      const event = this.#closed ? 'idle' : (this.#events.shift() ?? this.#nextEvent())
      if (event === 'idle') break
      if (event !== null) this.#step(event)
      if (performance.now() < sliceEnd) continue
      // Sockets and timers get their turn: a busy core must not look like a dead node.
      setImmediate(() => this.#run())
      return
    }
    this.#running = false
  }

  #step(event: CoreEvent): void {
    if (this.halted !== null) return
    this.#stepping = true
    try {
      this.#perform(step(this.core, event))
    } catch (error) {
      // A bug of ours: stop voting, keep what is certified readable.
      const detail = { event: event.type, reason: error instanceof Error ? error.message : String(error) }
      this.#halt('ASSERTION_FAILED', detail)
    } finally {
      this.#stepping = false
    }
  }

  #perform(actions: readonly Action[]): void {
    for (const action of actions) {
      // A vote that is not on disk must not leave: a failed persist ends the list.
      if (this.halted !== null) return
      this.#act(action)
    }
  }

  #act(action: Action): void {
    switch (action.type) {
      case 'persist':
        return this.#persist(action)
      case 'send':
        return this.#effects.send(action.to, action.message)
      case 'execute':
        return this.#execute(action)
      case 'discard':
        this.#seenAt.delete(bytesToHex(action.blockHash))
        return this.#ports.chain.discard(action.blockHash)
      case 'finalize':
        return this.#finalize(action)
      case 'buildPayload':
        return this.#buildPayload(action)
      case 'setTimer':
        return this.#setTimer(action.id, action.token, action.afterMs)
      case 'clearTimer':
        return this.#clearTimer(action.id)
      case 'requestBlocks':
        return this.#effects.requestBlocks(action.to, action.fromHeight, action.count)
      case 'sendBlocks':
        return this.#effects.sendBlocks(action.to, action.fromHeight)
      case 'setAside':
        return this.#ports.transactions.setAside(action.block)
      case 'evidence':
        this.#ports.metrics?.count('evidence', { phase: action.evidence.first.type })
        return this.#ports.events?.onEvidence?.(action.evidence)
      case 'resendEmergency':
        return this.#effects.resendEmergency()
      case 'alarm':
        this.#ports.logger?.warn({ code: action.code, ...action.detail }, 'consensus alarm')
        this.#ports.metrics?.count('alarm', { code: action.code })
        return this.#ports.events?.onAlarm?.(action.code, action.detail)
      case 'halt':
        return this.#halt(action.code, action.detail)
      default:
        return unreachable(action)
    }
  }

  #persist(action: Extract<Action, { type: 'persist' }>): void {
    const { votes } = this.#ports
    if (votes === null || this.#writer === null) {
      return this.#halt('VOTE_STORE', { reason: 'a member of the validator set has no vote store' })
    }
    const start = performance.now()
    try {
      const write = this.#writer.writeOf(action.record)
      votes.persist(write)
      this.#writer.written(write)
    } catch (error) {
      return this.#fail(new NetError('VOTE_STORE', 'the safety record is not on disk', error))
    }
    this.#ports.metrics?.observe('persist_ms', performance.now() - start)
  }

  #execute(action: Extract<Action, { type: 'execute' }>): void {
    const { blockHash, block } = action
    const key = bytesToHex(blockHash)
    if (!this.#seenAt.has(key)) this.#seenAt.set(key, performance.now())
    const start = performance.now()
    this.#track(this.#ports.chain.execute(blockHash, block), (outcome) => {
      this.#ports.metrics?.observe('execute_ms', performance.now() - start)
      if (!outcome.ok) this.#ports.logger?.warn({ block: key, code: outcome.code }, 'block is invalid')
      const now = this.clock.now()
      if (!outcome.ok) {
        return this.push({ type: 'executed', now, blockHash, ok: false, resultHash: null, result: null })
      }
      const { result, resultHash } = outcome
      this.push({ type: 'executed', now, blockHash, ok: true, resultHash, result })
    })
  }

  #finalize(action: Extract<Action, { type: 'finalize' }>): void {
    const { blockHash, resultHash, final, skipped } = action
    const { height } = final.block.header
    const start = performance.now()
    this.#track(this.#ports.chain.commit(blockHash, resultHash, final, skipped), ({ validators }) => {
      this.#ports.metrics?.observe('flush_ms', performance.now() - start)
      const latencyMs = this.#latencyOf(bytesToHex(blockHash), final)
      this.#seenAt.clear()
      this.#effects.validatorsChanged(validators)
      const waiting = this.#ports.transactions.waiting()
      this.push({ type: 'applied', now: this.clock.now(), height, validators, waiting })
      this.#effects.finalized(final, resultHash, latencyMs)
    })
  }

  #latencyOf(key: string, final: FinalBlock): number {
    const seenAt = this.#seenAt.get(key)
    if (seenAt === undefined) return 0
    const latencyMs = performance.now() - seenAt
    this.#ports.metrics?.observe('commit_ms', latencyMs)
    // Blocks of a failed view measure the timeout and not the network: they would feed the timeout on
    // itself.
    if (final.certificate.view === 0) this.#latenciesMs.push(latencyMs)
    if (this.#latenciesMs.length > 200) this.#latenciesMs.shift()
    return latencyMs
  }

  #buildPayload(action: Extract<Action, { type: 'buildPayload' }>): void {
    const { height, view, time, due, emergency } = action
    const bytesMax = this.core.config.payloadBytesMax
    const request = { height, view, time, due, emergency, bytesMax }
    this.#track(this.#ports.transactions.buildPayload(request), (built) => {
      const payload = built?.payload ?? null
      const transactionRoots = built?.transactionRoots ?? []
      this.push({ type: 'payloadReady', now: this.clock.now(), height, view, payload, transactionRoots })
    })
  }

  /** Awaits a port; a rejection is a failure of this node, and no block is worth guessing on. */
  #track<T>(promise: Promise<T>, done: (value: T) => void): void {
    this.#inFlight += 1
    promise
      .then((value) => {
        if (!this.#closed && this.halted === null) done(value)
      })
      .catch((error: unknown) => this.#fail(new NetError('CHAIN_PORT', 'executor or store failed', error)))
      .finally(() => {
        this.#inFlight -= 1
        if (this.#inFlight === 0) for (const done of this.#idle.splice(0)) done()
      })
  }

  #setTimer(id: TimerId, token: number, afterMs: number): void {
    this.#clearTimer(id)
    const timer = setTimeout(() => {
      this.#timers.delete(id)
      this.push({ type: 'timerExpired', now: this.clock.now(), id, token })
    }, afterMs)
    this.#timers.set(id, timer)
  }

  #clearTimer(id: TimerId): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
  }

  #measure(): void {
    const loopLagP99Ms = Math.max(0, this.#loopDelay.percentile(99) / 1e6 - loopDelayResolutionMs)
    this.#loopDelay.reset()
    const sorted = [...this.#latenciesMs].sort((left, right) => left - right)
    const commitP99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? 0
    this.#ports.metrics?.observe('loop_lag_p99_ms', loopLagP99Ms)
    this.push({
      type: 'measured',
      now: this.clock.now(),
      commitP99Ms: Math.min(commitP99Ms, measuredMsMax),
      loopLagP99Ms: Math.min(loopLagP99Ms, measuredMsMax),
    })
  }

  #fail(error: NetError): void {
    const cause = error.cause instanceof Error ? error.cause.message : String(error.cause)
    this.#ports.logger?.error({ code: error.code, cause }, error.message)
    this.#halt(error.code === 'VOTE_STORE' ? 'VOTE_STORE' : 'CHAIN_PORT', { reason: error.message, cause })
  }

  #halt(code: HaltReason, detail: Detail): void {
    if (this.halted !== null || this.#closed) return
    this.halted = { code, detail }
    this.#stopTimers()
    this.#ports.logger?.error({ code, ...detail }, 'consensus halted: this node votes no more')
    this.#ports.metrics?.count('halt', { code })
    this.#ports.events?.onHalt?.(code, detail)
  }

  #stopTimers(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    clearInterval(this.#measureTimer)
    this.#loopDelay.disable()
  }

  /** Resolves when no call into executor, store or pool is open any more. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stopTimers()
    this.#events.length = 0
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }
}

const loopDelayResolutionMs = 10

/** The blocks whose bodies the record keeps; one that is there twice is given twice. */
const blocksIn = ({ proposal, preparedBlock, votedBlock }: SafetyRecord): Block[] =>
  [proposal, preparedBlock, votedBlock].flatMap((kept) => (kept === null ? [] : [kept.block]))
