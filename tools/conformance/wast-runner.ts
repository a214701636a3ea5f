// Runs the commands of one `.wast` script in two worlds, raw and instrumented, and compares both with the
// script.

import {
  readModule,
  validateModule,
  type FunctionFacts,
  type ModuleRefusal,
  type ModuleResult,
  type WasmModule,
} from '../../runtime/module/index.js'
import type { Assembler } from './assembler.js'
import type { KeptInstances } from './kept-instances.js'
import { faultyBinary, textOnlyFault } from './malformed-binary.js'
import { refusedFeatureOf } from './text-features.js'
import { atomText, headOf, parseWast, stringText, type WastForm, type WastList } from './wast-forms.js'
import { codeOfMessage, isTrapMeant, trapCode } from './trap-kinds.js'
import { parseExpectation, parseValue, type WastExpectation } from './wast-values.js'
import {
  createWorld,
  instantiate,
  invoke,
  observeMemories,
  readGlobal,
  register,
  type CallOutcome,
  type World,
  type WorldInstance,
} from './wast-world.js'

export interface WastFailure {
  readonly line: number
  readonly command: string
  readonly detail: string
}

export interface WastReport {
  modules: number
  assertions: number
  passed: number
  readonly failures: WastFailure[]
  readonly skipped: Map<string, number>
}

/** A pair of instances of one module. */
interface Pair {
  readonly raw: WorldInstance
  readonly metered: WorldInstance
}

interface Run {
  readonly bytes: Uint8Array
  readonly assembler: Assembler
  readonly raw: World
  readonly metered: World
  readonly named: Map<string, Pair | undefined>
  /** The module that nameless actions mean; undefined after one that is skipped. */
  current: Pair | undefined
  /** Why the module at hand is skipped. */
  skipReason: string
  readonly report: WastReport
}

type LoadedModule = ModuleResult<{ readonly module: WasmModule; readonly facts: readonly FunctionFacts[] }>

/** A command ended other than by success. */
class WastSkip extends Error {}

/**
 * `observe` is told each outcome of the metered world with its fuel and stack, then the final memories.
 * `kept` gives that world instances of an earlier run, reset.
 */
export function runWast(
  bytes: Uint8Array,
  assembler: Assembler,
  observe?: (line: string) => void,
  kept?: KeptInstances,
): WastReport {
  const run: Run = {
    bytes,
    assembler,
    raw: createWorld(false),
    metered: createWorld(true, observe, kept),
    named: new Map(),
    current: undefined,
    skipReason: 'no module',
    report: { modules: 0, assertions: 0, passed: 0, failures: [], skipped: new Map() },
  }
  for (const form of topLevelForms(bytes)) runCommand(run, form)
  observeMemories(run.metered)
  return run.report
}

/** A file without a `(module` around its fields is one module as a whole. */
function topLevelForms(bytes: Uint8Array): WastList[] {
  const forms = parseWast(bytes)
  const isInline = forms.some((form) =>
    ['func', 'memory', 'table', 'import', 'export', 'type'].includes(headOf(form)),
  )
  return isInline
    ? [{ kind: 'list', items: [{ kind: 'atom', text: 'module', start: 0 }], start: 0, end: bytes.length }]
    : forms
}

function runCommand(run: Run, form: WastList): void {
  const head = headOf(form)
  const isAssertion = head.startsWith('assert_')
  if (isAssertion) run.report.assertions++
  try {
    const problem = runForm(run, form, head)
    if (problem !== undefined) addFailure(run, form, problem)
    else if (isAssertion) run.report.passed++
  } catch (error) {
    if (error instanceof WastSkip) addSkip(run, error.message, isAssertion)
    else addFailure(run, form, String(error))
  }
}

function addFailure(run: Run, form: WastList, detail: string): void {
  const text = Buffer.from(run.bytes.subarray(form.start, Math.min(form.end, form.start + 120))).toString(
    'latin1',
  )
  const line = Buffer.from(run.bytes.subarray(0, form.start)).toString('latin1').split('\n').length
  run.report.failures.push({ line, command: text.replace(/\s+/g, ' '), detail })
}

function addSkip(run: Run, reason: string, isAssertion: boolean): void {
  const key = isAssertion ? reason : `${reason} (module)`
  run.report.skipped.set(key, (run.report.skipped.get(key) ?? 0) + 1)
}

/** Runs a command; returns what is wrong, if anything. */
function runForm(run: Run, form: WastList, head: string): string | undefined {
  const second = form.items[1]
  switch (head) {
    case 'module':
      return runModule(run, form)
    case 'register':
      return runRegister(run, form)
    case 'invoke':
    case 'get':
      return compareOutcomes(runAction(run, form))
    case 'assert_return':
      return checkReturn(run, second, form.items.slice(2))
    case 'assert_trap':
      return headOf(second) === 'module'
        ? checkInstantiation(run, second as WastList, 'trap', form.items[2])
        : checkTrap(run, second, form.items[2])
    case 'assert_uninstantiable':
      return checkInstantiation(run, second as WastList, 'trap', form.items[2])
    case 'assert_exhaustion':
      return checkTrap(run, second, form.items[2])
    case 'assert_invalid':
    case 'assert_malformed':
      return checkRefused(run, second as WastList, form.items[2])
    case 'assert_unlinkable':
      return checkInstantiation(run, second as WastList, 'link')
    default:
      throw new WastSkip(`command ${head}`)
  }
}

/** The form's identifier, when it has one. */
function moduleName(form: WastList): string | undefined {
  const text = atomText(form.items[1])
  return text?.startsWith('$') === true ? text : undefined
}

function isQuoted(form: WastList): boolean {
  return form.items.some((item) => atomText(item) === 'quote')
}

/** The binary of a module form: given as such, or assembled. */
function moduleBinary(run: Run, form: WastList): Uint8Array | undefined {
  const strings = form.items.filter((item) => item.kind === 'string')
  const isBinary = form.items.slice(1, 3).some((item) => atomText(item) === 'binary')
  if (isBinary) return Uint8Array.from(Buffer.concat(strings.map((item) => item.bytes)))
  if (isQuoted(form)) {
    const text = strings.flatMap((item) => [Buffer.from(item.bytes), Buffer.from(' ')])
    return run.assembler.assembleStrictly(Buffer.concat(text))
  }
  return run.assembler.assemble(run.bytes.subarray(form.start, form.end))
}

function loadModule(run: Run, form: WastList): LoadedModule {
  const binary = moduleBinary(run, form)
  if (binary === undefined) throw new WastSkip(textReason(run, form))
  return loadBinary(binary)
}

function loadBinary(binary: Uint8Array): LoadedModule {
  const read = readModule(binary)
  if (!read.ok) return read
  const facts = validateModule(read.value)
  return facts.ok ? { ok: true, value: { module: read.value, facts: facts.value } } : facts
}

/** Why the assembler does not understand a text that is meant to be good. */
function textReason(run: Run, form: WastList): string {
  const feature = refusedFeatureOf(run.bytes.subarray(form.start, form.end))
  return feature === undefined ? notUnderstood : `refused feature: ${feature}`
}

const notUnderstood = 'text not understood by the assembler'

/**
 * A refusal of a feature that we leave out on purpose; anything else would be a mistake of the validator.
 */
function featureReason(run: Run, form: WastList, refusal: ModuleRefusal): string | undefined {
  const family = /belongs to (.+), which/.exec(refusal.detail)?.[1]
  const named = refusedFeatureOf(run.bytes.subarray(form.start, form.end))
  if (refusal.code === 'OPCODE_FORBIDDEN' || refusal.code === 'TYPE_FORBIDDEN')
    return `refused feature: ${named ?? family ?? 'SIMD'}`
  if (refusal.code === 'MULTIPLE_MEMORIES') return 'refused feature: multi-memory'
  if (named !== undefined && unknownForms.has(refusal.code)) return `refused feature: ${named}`
  return undefined
}

/** What forms of later versions are to a reader of version 2.0. */
const unknownForms: ReadonlySet<string> = new Set([
  'FLAGS_MALFORMED',
  'SECTION_UNKNOWN',
  'OPCODE_UNKNOWN',
  'TYPE_MALFORMED',
  'CONSTANT_EXPRESSION',
  'UNKNOWN_GLOBAL',
])

function runModule(run: Run, form: WastList): string | undefined {
  run.report.modules++
  run.current = undefined
  run.skipReason = textReason(run, form)
  const name = moduleName(form)
  if (name !== undefined) run.named.set(name, undefined)
  const loaded = loadModule(run, form)
  if (!loaded.ok) {
    const reason = featureReason(run, form, loaded)
    if (reason === undefined) return `refused: ${loaded.code} at ${loaded.offset}: ${loaded.detail}`
    run.skipReason = reason
    throw new WastSkip(reason)
  }
  const { module, facts } = loaded.value
  const raw = instantiate(run.raw, module, facts)
  const metered = instantiate(run.metered, module, facts)
  if (raw.kind !== 'values' || metered.kind !== 'values') {
    return `not instantiated: raw ${describe(raw)}, metered ${describe(metered)}`
  }
  run.current = { raw: raw.values[0] as WorldInstance, metered: metered.values[0] as WorldInstance }
  if (name !== undefined) run.named.set(name, run.current)
  return undefined
}

function findPair(run: Run, name: string | undefined): Pair {
  const pair = name === undefined ? run.current : run.named.get(name)
  if (pair === undefined) throw new WastSkip(run.skipReason)
  return pair
}

function runRegister(run: Run, form: WastList): undefined {
  const name = stringText(form.items[1])
  const pair = findPair(run, atomText(form.items[2]))
  register(run.raw, name, pair.raw)
  register(run.metered, name, pair.metered)
  return undefined
}

interface Outcomes {
  readonly raw: CallOutcome
  readonly metered: CallOutcome
}

/** `(invoke $module? "name" value*)` or `(get $module? "name")`. */
function runAction(run: Run, form: WastForm): Outcomes {
  if (form.kind !== 'list') throw new Error('an action is expected')
  const name = moduleName(form)
  const pair = findPair(run, name)
  const rest = form.items.slice(name === undefined ? 1 : 2)
  const field = stringText(rest[0])
  if (headOf(form) === 'get') {
    return {
      raw: readGlobal(run.raw, pair.raw, field),
      metered: readGlobal(run.metered, pair.metered, field),
    }
  }
  const values = rest.slice(1).map((item) => {
    const value = parseValue(item)
    return 'bits' in value ? value.bits : value.reference
  })
  return {
    raw: invoke(run.raw, pair.raw, field, values),
    metered: invoke(run.metered, pair.metered, field, values),
  }
}

function describe(outcome: CallOutcome): string {
  if (outcome.kind === 'values') return `values ${outcome.values.map(String).join(', ')}`
  return 'message' in outcome ? `${outcome.kind} "${outcome.message}"` : outcome.kind
}

function compareOutcomes({ raw, metered }: Outcomes): string | undefined {
  const isSame = raw.kind === metered.kind
  return isSame ? undefined : `raw ${describe(raw)}, metered ${describe(metered)}`
}

function checkReturn(run: Run, action: WastForm, expected: readonly WastForm[]): string | undefined {
  const outcomes = runAction(run, action)
  const expectations = expected.map(parseExpectation)
  for (const world of ['raw', 'metered'] as const) {
    const outcome = outcomes[world]
    if (outcome.kind !== 'values') return `${world} ended with ${describe(outcome)}`
    const isMatch =
      outcome.values.length === expectations.length &&
      expectations.every((one, index) => isExpected(one, outcome.values[index], world === 'metered'))
    if (!isMatch) return `${world} gave ${describe(outcome)}`
  }
  return undefined
}

/** In the metered world every NaN of arithmetic must be the positive canonical one. */
function isExpected(expected: WastExpectation, value: unknown, isMetered: boolean): boolean {
  switch (expected.type) {
    case 'nan':
      return isNanPattern(value, expected.width, expected.isCanonical || isMetered, isMetered)
    case 'any-reference':
      return expected.isFunction
        ? typeof value === 'function'
        : value !== null && typeof value !== 'function'
    case 'externref':
    case 'funcref':
      return value === expected.reference
    case 'i64':
    case 'f64':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === expected.bits
    default:
      return value === expected.bits
  }
}

function isNanPattern(value: unknown, width: 32 | 64, isCanonical: boolean, isPositive: boolean): boolean {
  const bits = BigInt.asUintN(width, BigInt(value as number | bigint))
  const fractionBits = width === 32 ? 23n : 52n
  const canonical = width === 32 ? 0x7fc00000n : 0x7ff8000000000000n
  if (isPositive) return bits === canonical
  const magnitude = BigInt.asUintN(width - 1, bits)
  if (isCanonical) return magnitude === canonical
  return (
    (magnitude & canonical) === canonical &&
    magnitude >> (fractionBits - 1n) === canonical >> (fractionBits - 1n)
  )
}

/** Both worlds must take the very trap that the script names, and the runtime's code for it. */
function checkTrap(run: Run, action: WastForm, message: WastForm | undefined): string | undefined {
  return compareTraps(runAction(run, action), stringText(message))
}

function compareTraps({ raw, metered }: Outcomes, message: string): string | undefined {
  const code = codeOfMessage(message)
  if (code === undefined) return `no code of ours stands for "${message}"`
  for (const outcome of [raw, metered]) {
    if (outcome.kind !== 'trap' && outcome.kind !== 'stack')
      return `raw ${describe(raw)}, metered ${describe(metered)}`
    const isMeant = outcome.kind === 'stack' || isTrapMeant(message, outcome.message)
    if (trapCode(outcome.kind) !== code || !isMeant)
      return `"${message}" is ${code}, but raw ${describe(raw)}, metered ${describe(metered)}`
  }
  return undefined
}

function checkInstantiation(
  run: Run,
  form: WastList,
  kind: 'trap' | 'link',
  message?: WastForm,
): string | undefined {
  const loaded = loadModule(run, form)
  if (!loaded.ok) return `refused: ${loaded.code}: ${loaded.detail}`
  const { module, facts } = loaded.value
  const raw = instantiate(run.raw, module, facts)
  const metered = instantiate(run.metered, module, facts)
  if (kind === 'trap') return compareTraps({ raw, metered }, stringText(message))
  const isAsSaid = raw.kind === kind && metered.kind === kind
  return isAsSaid ? undefined : `raw ${describe(raw)}, metered ${describe(metered)}`
}

/**
 * The validator must refuse it. A malformed text becomes a binary where the assembler reads it at all, or
 * where its fault can be put into one; what is wrong in the text form alone never reaches a reader of
 * binaries, and is told apart by name.
 */
function checkRefused(run: Run, form: WastList, message: WastForm | undefined): string | undefined {
  if (!isQuoted(form)) return loadModule(run, form).ok ? 'the validator admits it' : undefined
  const binary = moduleBinary(run, form)
  if (binary === undefined) return checkFault(run, form, stringText(message))
  if (!loadBinary(binary).ok) return undefined
  if (!WebAssembly.validate(binary)) return 'the validator admits what the engine refuses'
  throw new WastSkip(`${textOnly}: the assembler reads it, and the binary is valid`)
}

/** The fault of a text that the assembler refuses too. */
function checkFault(run: Run, form: WastList, fault: string): string | undefined {
  const strings = form.items.filter((item) => item.kind === 'string')
  const text = Buffer.concat(strings.flatMap((item) => [Buffer.from(item.bytes), Buffer.from(' ')]))
  const pair = faultyBinary(text, fault, run.assembler)
  if (pair === undefined) {
    const feature = refusedFeatureOf(text)
    if (feature !== undefined) throw new WastSkip(`refused feature: ${feature}`)
    throw new WastSkip(`${textOnly}: ${textOnlyFault(fault) ?? 'the assembler refuses the text'}`)
  }
  if (!loadBinary(pair.sound).ok) return 'the validator refuses the module without its fault'
  return loadBinary(pair.faulty).ok ? `the validator admits a binary with the fault "${fault}"` : undefined
}

const textOnly = 'refused feature: text format (the runtime reads binaries only)'
