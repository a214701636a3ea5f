// A contract's view on the newest state, and what its reader must be told or allowed: whose records it
// showed, and since when tables that it rests on are no longer written.
import {
  callView,
  frozenSince,
  readAlias,
  type ExecutionPorts,
  type ModuleCache,
  type ParentState,
  type TraceEvent,
} from '../../runtime/execution/index.js'
import { codeOfStatus, equalBytes, type Manifest } from '../../runtime/protocol/index.js'
import type { FrozenReply, Pin, ViewQuery, ViewReply } from './messages.js'
import { TraceView, type Touched } from './trace-view.js'

/**
 * A person's view holds up the next block: as much as one source may spend in a block, some 50 ms.
 */
const personFuelMax = 50_000_000

/** In a question to the policy: only a grant for any patient holds. */
const anyPatient = '00'.repeat(16)

/** `timeOf`: block time of a final height, ms. */
export function answerView(
  query: ViewQuery,
  pin: Pin,
  state: ParentState,
  cache: ModuleCache,
  ports: ExecutionPorts,
  timeOf: (height: number) => number,
): ViewReply {
  const { target, method, args, caller, isForPerson } = query
  const watch = isForPerson === true ? new ViewWatch(state) : undefined
  const call = {
    ...{ target, method, args, caller },
    ...(watch === undefined ? {} : { fuelLimit: personFuelMax, trace: watch.add }),
  }
  const answer = callView(state, call, { height: pin.height, time: pin.blockTime }, cache, ports)
  const touched = watch?.touched() ?? []
  const none = { returned: new Uint8Array(0), fuelUsed: 0, touched, frozenSince: null, frozen: [] }
  if (!answer.ok) return { ...none, pin, ok: false, code: answer.code, detail: answer.detail ?? '' }
  const { returned, fuelUsed, frozenSince: since } = answer.value
  return {
    ...{ pin, ok: true, code: codeOfStatus(0) ?? 'OK', detail: '', returned, fuelUsed, touched },
    frozenSince: since === undefined ? null : { height: since, time: timeOf(since) },
    frozen: (watch?.frozen() ?? []).map((entry) => ({ ...entry, time: timeOf(entry.height) })),
  }
}

type FrozenVersion = Omit<FrozenReply, 'time'>

/** One open frame: what it and the frames below it rest on. */
interface OpenFrame {
  manifest: Manifest | undefined
  frozen: FrozenVersion[]
}

class ViewWatch {
  readonly #trace: TraceView
  readonly #open: OpenFrame[] = []
  /** Of contracts that looked into their own tables: kinds of record that these may come from. */
  readonly #kinds = new Set<number>()
  #frozen: FrozenVersion[] = []

  constructor(private readonly state: ParentState) {
    this.#trace = new TraceView(state, state)
  }

  readonly add = (event: TraceEvent): void => {
    this.#trace.add(event)
    // Only what it touched is wanted: nothing is kept of a view that makes thousands of calls.
    this.#trace.steps.length = 0
    if (event.type === 'frame') this.#open.push(this.#enter(event))
    else if (event.type === 'frame-end') this.#leave(event.status === 0)
    else if (event.name === 'state_get' || event.name === 'state_scan') this.#readTable()
  }

  #enter({ address, alias }: Extract<TraceEvent, { type: 'frame' }>): OpenFrame {
    const manifest = this.#trace.manifestAt(address)
    const height = manifest && frozenSince(readAlias(this.state, alias), manifest.migrateVersion)
    if (manifest === undefined || height === undefined) return { manifest, frozen: [] }
    return { manifest, frozen: [{ alias, version: manifest.version, address, height }] }
  }

  /** What a failed frame found out reached nobody. */
  #leave(isDone: boolean): void {
    const frame = this.#open.pop()
    if (frame === undefined || !isDone) return
    const below = this.#open.at(-1)?.frozen ?? this.#frozen
    for (const entry of frame.frozen) {
      if (!below.some((known) => equalBytes(known.address, entry.address))) below.push(entry)
    }
  }

  #readTable(): void {
    const { reads = [], emits = [], subscriptions = [] } = this.#open.at(-1)?.manifest ?? {}
    for (const { kind } of [...reads, ...emits, ...subscriptions]) this.#kinds.add(kind)
  }

  frozen(): FrozenVersion[] {
    return this.#frozen
  }

  /**
   * Whose records it showed. Rows of a contract's own tables are its own bytes: where they may hold records
   * of a kind and no patient was named with it, the reader must be allowed that kind of any patient.
   */
  touched(): Touched[] {
    const { touched } = this.#trace
    const named = new Set(touched.map(({ kind }) => kind))
    const unnamed = [...this.#kinds].filter((kind) => !named.has(kind))
    return [...touched, ...unnamed.map((kind) => ({ patient: anyPatient, kind }))]
  }
}
