// What a contract's functions may hold beyond being valid. Works on the facts that the validator gathered.

import { requireWithin } from './check-policy.js'
import type { ModuleLimits } from './module-limits.js'
import { opcodeName } from './opcodes.js'
import { refuse, settle, type ModuleResult } from './refusal.js'
import type { FunctionFacts } from './validate-function.js'
import type { WasmModule } from './wasm-types.js'

/**
 * Checks nesting, branch tables, locals against control nodes, and the opcode allow-list of every function.
 */
export function checkCode(
  module: WasmModule,
  facts: readonly FunctionFacts[],
  limits: ModuleLimits,
): ModuleResult<undefined> {
  return settle(() => {
    facts.forEach((one, index) => checkFunction(one, module.bodies[index].start, limits))
    return undefined
  })
}

function checkFunction(facts: FunctionFacts, offset: number, limits: ModuleLimits): void {
  if (facts.restrictedOpcode >= 0) {
    const name = opcodeName(facts.restrictedOpcode, facts.restrictedSecond)
    const text = `\`${name}\` is not available: a contract's table is fixed and it holds no references.`
    refuse('OPCODE_FORBIDDEN', facts.restrictedOffset, text)
  }
  requireWithin(facts.depthMax, limits.nestingMax, 'LIMIT_NESTING', offset, 'Nested blocks')
  requireWithin(
    facts.branchTableMax,
    limits.branchTableMax,
    'LIMIT_BRANCH_TABLE',
    offset,
    'Entries of a branch table',
  )
  requireWithin(
    facts.branchTableTotal,
    limits.branchTableTotalMax,
    'LIMIT_BRANCH_TABLE_TOTAL',
    offset,
    'Branch table entries of a function',
  )
  requireWithin(
    facts.localCount * facts.controlCount,
    limits.localsControlMax,
    'LIMIT_LOCALS_CONTROL',
    offset,
    'Locals times control instructions of a function',
  )
}
