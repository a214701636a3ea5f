// Runs small guests as signed calls and shows what came back: for tests of host functions, frames and
// calls.
import { codeOfStatus, type Manifest, type Receipt } from '../protocol/index.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import type { Diagnostic } from './index.js'
import { signerOf, World, type Signer } from './world.fixture.js'

export interface Probe {
  /** Body of the module; exports at least `go`. */
  body: string
  manifest?: Partial<Manifest>
}

export interface Outcome {
  code: string
  detail: string | undefined
  returned: Uint8Array
  fuelUsed: number
  receipt: Receipt
  diagnostics: Diagnostic[]
}

/** A chain on which each probe is an alias of its own, called by a person. */
export class Probes {
  readonly world: World
  readonly caller: Signer = signerOf('caller')

  constructor(probes: Record<string, Probe>) {
    const contracts = Object.entries(probes).map(([alias, { body, manifest }]) =>
      genesisContract(contractOf({ methods: methodsOf({ go: 'call' }), ...manifest, alias }, body)),
    )
    this.world = new World({ signers: [this.caller], contracts: [...systemContracts, ...contracts] })
  }

  /** Calls `go` in a block of its own. */
  go(alias: string, args: Uint8Array = new Uint8Array(0), fuelLimit = 100_000_000, method = 'go'): Outcome {
    const { world, caller } = this
    const block = world.block([world.call(caller, alias, method, args, { fuelLimit })])
    const [receipt] = block.receiptsDecoded
    return {
      code: codeOfStatus(receipt.status) ?? String(receipt.status),
      detail: receipt.detail,
      returned: receipt.returned ?? new Uint8Array(0),
      fuelUsed: receipt.fuelUsed,
      receipt,
      diagnostics: block.diagnostics,
    }
  }
}

/** `go` around a few instructions. */
export const go = (instructions: string, extra = ''): string =>
  `${extra} (func (export "go") ${instructions})`

/** Returns the i32 on the stack as four bytes. */
export const returnI32 = (expression: string): string =>
  `(i32.store (i32.const 0) ${expression}) (call $return_set (i32.const 0) (i32.const 4))`

export const i32Of = (bytes: Uint8Array): number =>
  bytes.length < 4 ? Number.NaN : new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true)

/** Text as WebAssembly string data. */
export const dataAt = (offset: number, text: string): string => `(data (i32.const ${offset}) "${text}")`
