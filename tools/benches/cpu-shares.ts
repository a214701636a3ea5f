// Where a thread spends its time, by part of a node: each sample of a profile counts for the part that its
// innermost frame of a known file or function belongs to.

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

/** As the inspector gives it; times in µs. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples?: readonly number[]
  readonly timeDeltas?: readonly number[]
}

export const parts = [
  'signatures',
  'execution',
  'tree',
  'store',
  'disk',
  'decoding',
  'network',
  'consensus',
  'pool',
  'threads',
  'collector',
  'rest',
] as const
export type Part = (typeof parts)[number]
export type PartTimes = Record<Part, number>

export interface ThreadShares {
  readonly isMainThread: boolean
  /** Processor time of this thread and of its process in the window. */
  readonly cpuUs: number
  readonly processCpuUs: number
  /** Of the samples in which the thread was not idle, 0..1, all parts together 1. */
  readonly shares: PartTimes
}

/** The first that matches decides. `finishTxn`: LMDB ends a transaction and mostly waits for the disk. */
const byFunction: readonly (readonly [RegExp, Part])[] = [
  [/^\(garbage collector\)$/, 'collector'],
  [/^verifySignature$/, 'signatures'],
  [/^finishTxn$/, 'disk'],
  [/^(postMessage|receiveMessageOnPort|emitMessage|deserialize|serialize)$/, 'threads'],
]
const byFile: readonly (readonly [RegExp, Part])[] = [
  [/\/host\/(executor\/executor-(client|thread|port)|executor\/reader-(client|thread))/, 'threads'],
  [/node:internal\/(worker|per_context\/messageport)/, 'threads'],
  [/^wasm:/, 'execution'],
  [/\/runtime\/protocol\//, 'decoding'],
  [/\/runtime\/state\//, 'tree'],
  [/\/host\/executor\/tree-/, 'tree'],
  [/\/runtime\//, 'execution'],
  [/\/host\/store\/|\/node_modules\/(lmdb|msgpackr|ordered-binary|weak-lru-cache)\//, 'store'],
  [
    /\/host\/executor\/(block-write|stored-payload|index-rows|record-cache|row-cache|crash-journal)/,
    'store',
  ],
  [/\/host\/executor\//, 'execution'],
  [/\/host\/pool\//, 'pool'],
  [/\/consensus\/net\/(transport|peer-link|send-queue|receive-window|wire|frames|gossip|inbox)/, 'network'],
  [/\/consensus\//, 'consensus'],
  [/\/host\/keys\//, 'execution'],
  [/\/node_modules\/(fastify|find-my-way|ws|pino|prom-client|avvio|light-my-request|secure-json)/, 'rest'],
  [/\/node_modules\//, 'network'],
  [/\/host\//, 'rest'],
]
/** Whoever calls it decides: hashing, sealing and copying serve all parts. */
const transparent = /\/host\/keys\/|node:internal\/(buffer|crypto)|^node:(buffer|crypto)|sodium-native/

function ownPartOf({ functionName, url }: ProfileNode['callFrame']): Part | 'idle' | undefined {
  if (functionName === '(idle)') return 'idle'
  for (const [pattern, part] of byFunction) if (pattern.test(functionName)) return part
  if (transparent.test(url)) return undefined
  for (const [pattern, part] of byFile) if (pattern.test(url)) return part
  return undefined
}

/** Shares of the parts in the samples of a profile that are not idle. */
export function sharesOf(profile: CpuProfile): Pick<ThreadShares, 'shares'> {
  const partOf = new Map<number, Part | 'idle'>()
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const visit = (id: number, inherited: Part): void => {
    const node = byId.get(id)
    if (node === undefined) return
    const own = ownPartOf(node.callFrame) ?? inherited
    partOf.set(id, own)
    for (const child of node.children ?? []) visit(child, own === 'idle' ? 'rest' : own)
  }
  visit(profile.nodes[0].id, 'rest')
  const times = noTimes()
  const { samples = [], timeDeltas = [] } = profile
  samples.forEach((id, index) => {
    const part = partOf.get(id) ?? 'rest'
    // What lies before the first sample is the time that the profiler took to begin.
    if (index === 0) return
    if (part !== 'idle') times[part] += timeDeltas[index] ?? 0
  })
  const sum = parts.reduce((total, part) => total + times[part], 0)
  if (sum > 0) for (const part of parts) times[part] /= sum
  return { shares: times }
}

export const noTimes = (): PartTimes => Object.fromEntries(parts.map((part) => [part, 0])) as PartTimes
