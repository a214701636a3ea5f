// The hostile corpus: every case, by the 26 classes of the runtime reference, section 10. `npm run
// tier-equality` runs it in all tiers; `hostile.test.ts` holds each case to its code and its fuel.
import { borrowedAttacks, borrowedCalls } from './borrowed-attacks.fixture.js'
import { deploymentAttacks } from './deployment-attacks.fixture.js'
import type { HostileCase } from './hostile-case.fixture.js'
import { hostileBytes } from './hostile-bytes.fixture.js'
import { runningAttacks } from './running-attacks.fixture.js'
import { staticAttacks } from './static-attacks.fixture.js'

/** The rows of the table of attacks. */
export const attackClasses: readonly string[] = [
  'bulk operations of great length',
  'memory growth and size',
  'deep recursion',
  'locals, parameters, results',
  'nesting depth',
  'loops times locals',
  'branch tables',
  'giant functions and modules',
  'data segments',
  'start function and _initialize',
  'too many of everything else',
  'unmetered paths',
  'fuel overflow and negative fuel',
  'our names and indices',
  'host functions without price',
  'pointers and lengths',
  'host calls guest calls host',
  'reentrancy, depth, fan-out',
  'words in consensus',
  'NaN payloads and floats',
  'time, chance, order',
  'a schedule change with a hot cache',
  'debug and trace flags',
  'the engine: bugs and upgrades',
  'bombs for the parsers of the host',
  'what lies between contracts: clocks and leftovers',
]

export const hostileCorpus: readonly HostileCase[] = [
  ...staticAttacks,
  ...borrowedAttacks,
  ...deploymentAttacks,
  ...runningAttacks,
  ...borrowedCalls,
  ...hostileBytes,
]
