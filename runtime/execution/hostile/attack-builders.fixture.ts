// How the running attacks are written: one contract whose `go` is the attack, and pieces of its text.
import { dataAt, go } from '../probe.fixture.js'
import type { HostileCall } from './hostile-case.fixture.js'
import { moduleWithGo } from './static-attacks.fixture.js'

type CallFields = Omit<HostileCall, 'kind' | 'attack' | 'name' | 'contracts' | 'code'>

/** One contract, whose `go` holds the instructions. */
export function attack(
  number: number,
  name: string,
  code: HostileCall['code'],
  instructions: string,
  extra = '',
  fields: CallFields & { manifest?: HostileCall['contracts'][string]['manifest'] } = {},
): HostileCall {
  const { manifest, ...rest } = fields
  const alias = aliasOf(name)
  const contract = { body: go(instructions, extra), ...(manifest === undefined ? {} : { manifest }) }
  return { kind: 'call', attack: number, name, code, contracts: { [alias]: contract }, ...rest }
}

/** One contract given as bytes: the assembler of the tests overflows on deep nesting. */
export function coded(
  number: number,
  name: string,
  code: HostileCall['code'],
  locals: readonly number[],
  instructions: readonly number[],
): HostileCall {
  const bytes = moduleWithGo(Uint8Array.from([...(locals.length === 0 ? [0] : locals), ...instructions]))
  return { kind: 'call', attack: number, name, code, contracts: { [aliasOf(name)]: { code: bytes } } }
}

export const repeated = (count: number, bytes: readonly number[]): number[] =>
  new Array<readonly number[]>(count).fill(bytes).flat()

const aliasOf = (name: string): string =>
  `hostile/${name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 50)}`

export const endless = (body: string): string => `(local $n i32) (loop $on ${body} (br $on))`
export const times = (count: number, body: string): string =>
  `(local $n i32) (loop $more ${body}
    (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))`

export const callTo = (target: string, method = 'go', fuel = '0', flags = 2): string =>
  `(call $contract_call (i32.const 256) (i32.const ${target.length}) (i32.const 320) (i32.const ${method.length})
     (i32.const 0) (i32.const 0) (i64.const ${fuel}) (i32.const ${flags}))`
export const names = (target: string, method = 'go'): string => dataAt(256, target) + dataAt(320, method)
export const zero = '(i32.const 0)'
export const top = '(i32.const -1)'
