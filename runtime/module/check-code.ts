// What a contract's functions may hold beyond being valid. Works on the facts that the validator gathered.

import { requireWithin } from './check-policy.js'
import type { ModuleLimits } from './module-limits.js'
import { opcodeName } from './opcodes.js'
import { refuse, settle, type ModuleRefusalCode, type ModuleResult } from './refusal.js'
import type { FunctionFacts } from './validate-function.js'
import type { WasmModule } from './wasm-types.js'

/**
 * Checks the opcode allow-list, nesting, branch tables and slots against control flow of every function, and
 * control flow over all of them.
 */
export function checkCode(
  module: WasmModule,
  facts: readonly FunctionFacts[],
  limits: ModuleLimits,
): ModuleResult<undefined> {
  return settle(() => {
    let flow = 0
    let product = 0
    facts.forEach((one, index) => {
      const offset = module.bodies[index].start
      checkFunction(one, offset, limits)
      flow += one.flowCount
      product += slotsTimesFlow(one)
      const within = (count: number, max: number, code: ModuleRefusalCode, what: string): void =>
        requireWithin(count, max, code, offset, what)
      within(flow, limits.flowTotalMax, 'LIMIT_FLOW_TOTAL', 'Branches, blocks and calls of all functions')
      within(product, limits.localsControlTotalMax, 'LIMIT_LOCALS_CONTROL_TOTAL', productText)
    })
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
  const product = slotsTimesFlow(facts)
  requireWithin(product, limits.localsControlMax, 'LIMIT_LOCALS_CONTROL', offset, productText)
  requireWithin(
    facts.controlCount,
    limits.controlMax,
    'LIMIT_CONTROL',
    offset,
    'Control instructions of a function',
  )
}

const productText = 'Locals and operands of a function times its branches, blocks and calls'

/** What the engine walks over: every slot at every point of control flow. An i64 is two slots of operands. */
function slotsTimesFlow({ localCount, operandBytesMax, flowCount }: FunctionFacts): number {
  return (localCount + operandBytesMax / 4) * flowCount
}
