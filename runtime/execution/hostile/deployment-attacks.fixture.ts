// Attacks that the reader lets through and the deployment stops: an `_initialize` that does harm before
// anybody calls, and manifests. Whoever deploys pays for what was tried.
import { encodeManifest, type Manifest } from '../../protocol/index.js'
import { assemble } from '../../module/wat.fixture.js'
import { manifestOf, methodsOf } from '../test-contracts.fixture.js'
import { times } from './attack-builders.fixture.js'
import type { RefusedDeployment } from './hostile-case.fixture.js'

const memory = '(memory (export "memory") 1) (func (export "go"))'
const starting = (body: string, before = '', after = ''): (() => Uint8Array) => {
  const text = `(module ${before} ${memory} ${after} (func (export "_initialize") ${body}))`
  return () => assemble(text)
}

const starts = (
  name: string,
  bytes: () => Uint8Array,
  rest: Partial<RefusedDeployment> = {},
): RefusedDeployment => ({
  kind: 'deployment',
  attack: 10,
  name,
  bytes,
  code: 'MODULE_REFUSED',
  detail: /INITIALIZE_FAILED/,
  ...rest,
})

const declares = (
  attack: number,
  name: string,
  detail: RegExp,
  manifest: () => Uint8Array,
): RefusedDeployment => ({
  kind: 'deployment',
  attack,
  name,
  bytes: () => assemble(`(module ${memory})`),
  manifest,
  code: 'MANIFEST_REFUSED',
  detail,
})

const manifestWith = (fields: Partial<Manifest>) => (): Uint8Array =>
  encodeManifest(manifestOf({ alias: 'hostile/module', methods: methodsOf({ go: 'call' }), ...fields }))
const [go] = methodsOf({ go: 'call' })

export const deploymentAttacks: readonly RefusedDeployment[] = [
  starts('an _initialize that traps', starting('unreachable')),
  starts('an _initialize without end', starting('(loop $on (br $on))')),
  starts('an _initialize without end, and less fuel than it may have', starting('(loop $on (br $on))'), {
    code: 'OUT_OF_FUEL',
    detail: /^$/,
    fuelLimit: 3_000_000,
  }),
  starts(
    'an _initialize that calls itself for ever',
    starting('(call $deep)', '', '(func $deep (call $deep))'),
  ),
  starts(
    'an _initialize that asks the host',
    starting('(drop (call $left))', '(import "wardchain_v1" "fuel_left" (func $left (result i64)))'),
  ),
  starts('an _initialize of 11 million fuel', starting(times(1_250_000, ''))),
  declares(13, 'a rule that declares 2^53-1 fuel', /FUEL_TOO_HIGH at byte \d+: methods\[0\]/, () =>
    manifestWith({ methods: [{ ...go, kind: 'record', fuel: Number.MAX_SAFE_INTEGER }] })(),
  ),
  declares(
    20,
    'a float in the ABI',
    /SCHEMA_UNKNOWN at byte \d+: methods\[0\]: input/,
    manifestWith({ methods: [{ ...go, input: 'f64' as never }] }),
  ),
  declares(25, 'a manifest nested 60,000 deep', /CBOR_MALFORMED at byte \d+/, () =>
    new Uint8Array(60_000).fill(0x81),
  ),
  declares(25, 'a manifest that is larger than it may be', /MANIFEST_TOO_LARGE at byte \d+/, () =>
    new Uint8Array(65_537).fill(0x60),
  ),
  declares(
    25,
    'a schema nested 17 deep',
    /SCHEMA_TOO_DEEP at byte \d+: methods\[0\]: input/,
    manifestWith({
      methods: [
        {
          ...go,
          input: Array.from({ length: 17 }).reduce<Manifest['methods'][number]['input']>(
            (inner) => ({ option: inner }),
            'u8',
          ),
        },
      ],
    }),
  ),
]
