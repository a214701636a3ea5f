// What to say to a vendor whose module asks for something that contracts do not get.

const hints: ReadonlyMap<string, string> = new Map([
  [
    'env.seed',
    '`Math.random` is not available: results must be equal on every node. Use an identifier or a sequence of the record as a source of variety.',
  ],
  [
    'env.Date.now',
    '`Date.now` is not available: results must be equal on every node. Use the block time of the context.',
  ],
  [
    'env.abort',
    'The default `abort` is not available. Compile with `--use abort=assembly/sdk/env/abortWithLine`.',
  ],
  ['env.trace', '`trace` is not available. Use the log of the SDK.'],
  ['env.memory', 'A contract brings its own memory: compile without `--importMemory`.'],
  ['env.table', 'A contract brings its own table: compile without `--importTable`.'],
])

const familyHints: readonly (readonly [prefix: string, text: string])[] = [
  [
    'env.Date.',
    '`Date` of the host is not available: results must be equal on every node. Use the block time of the context.',
  ],
  ['env.console.', '`console` is not available. Use the log of the SDK.'],
  [
    'env.Math.',
    'The host offers no mathematics. Use `Math` of the AssemblyScript library, which is compiled in.',
  ],
  ['env.process.', '`process` is not available: a contract sees only committed state and the block.'],
  [
    'env.performance.',
    'Clocks are not available: results must be equal on every node. Use the block time of the context.',
  ],
  ['env.crypto.', 'Randomness is not available: results must be equal on every node.'],
  [
    'wasi_snapshot_preview1.',
    'WASI is not available in contracts: there is no file, clock or network to reach.',
  ],
]

/** A sentence for an import that is not on the list. */
export function importHint(module: string, name: string, importModule: string): string {
  const key = `${module}.${name}`
  const exact = hints.get(key)
  if (exact !== undefined) return exact
  const family = familyHints.find(([prefix]) => key.startsWith(prefix))
  if (family !== undefined) return family[1]
  if (module === importModule) return `\`${name}\` is not among the host functions of ${importModule}.`
  return `\`${key}\` is not available: a contract may import from ${importModule} only.`
}
