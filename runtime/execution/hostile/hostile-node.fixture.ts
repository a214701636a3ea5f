// A node on which cases of the corpus run: one chain with the attackers deployed, one honest contract beside
// them, and eyes on each instance when its frame is over.
import { Buffer } from 'node:buffer'
import {
  codeOfStatus,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  type Receipt,
  type Schema,
} from '../../protocol/index.js'
import { createModuleCache, type TraceEvent } from '../index.js'
import { go, type Probe } from '../probe.fixture.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from '../test-contracts.fixture.js'
import { borsh, hex, sha256, signerOf, World, type Signer } from '../world.fixture.js'
import type { HostileCall, HostileCase, HostileContract } from './hostile-case.fixture.js'
import { victims } from './running-attacks.fixture.js'
import { watchInstances, type InstanceUse } from './watch-instances.fixture.js'

/** How one call ended: what every node must agree on, in every tier, cold and warm. */
export interface Ending {
  code: string
  detail: string
  fuelUsed: number
  returned: string
  /** Of each frame that ended, in order: metered stack left and SHA-256 over its memory and globals. */
  frames: string[]
  /** Roots of the block: receipts and state. */
  roots: string
}

export const honestAlias = 'honest/adder'

/** Reads two numbers from its input, adds them to its own row, answers with the sum. */
const honest: Probe = {
  body: go(
    `(call $input_read (i32.const 0))
     (i64.store (i32.const 16) (i64.add (i64.load (i32.const 0)) (i64.load (i32.const 8))))
     (call $state_set (i32.const 1) (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 8))
     (drop (call $state_get (i32.const 1) (i32.const 0) (i32.const 8)))
     (call $result_read (i32.const 64)) (call $return_set (i32.const 64) (i32.const 8))`,
  ),
}

const plainManifest = contractOf(
  { alias: 'hostile/module', methods: methodsOf({ go: 'call' }) },
  '',
).manifestBytes

const codeName = (status: number): string => codeOfStatus(status) ?? String(status)

export class HostileNode {
  readonly world: World
  readonly caller: Signer = signerOf('caller')
  private readonly vendor = signerOf('vendor', entityKind.vendor)
  private frames: string[] = []

  constructor(attacks: readonly HostileCase[], use: InstanceUse = 'reused') {
    const probes: Record<string, HostileContract> = { [honestAlias]: honest, ...victims }
    for (const attack of attacks) if (attack.kind === 'call') Object.assign(probes, attack.contracts)
    const deployed = Object.entries(probes).map(([alias, probe]) => {
      const fields = { methods: methodsOf({ go: 'call' }), ...probe.manifest, alias }
      const contract = contractOf(fields, 'body' in probe ? probe.body : '')
      return genesisContract('code' in probe ? { ...contract, code: probe.code } : contract)
    })
    this.world = new World({
      signers: [this.caller, this.vendor],
      contracts: [...systemContracts, ...deployed],
    })
    this.world.cache = watchInstances(createModuleCache(), use, (frame) => this.frames.push(frame))
  }

  /** Calls the first contract of the case in a block of its own. */
  run(attack: HostileCall, fuelLimit = attack.fuelLimit ?? 5_000_000, isTraced = false): Ending {
    const [alias] = Object.keys(attack.contracts)
    return this.call(alias, attack.args ?? new Uint8Array(0), fuelLimit, isTraced)
  }

  /** A call of somebody who means no harm; its ending depends on nothing that attackers did before. */
  honest(): Pick<Ending, 'code' | 'fuelUsed' | 'returned'> {
    const args = Buffer.alloc(16)
    args.writeBigUInt64LE(38n, 0)
    args.writeBigUInt64LE(4n, 8)
    const { code, fuelUsed, returned } = this.call(honestAlias, args, 5_000_000, false)
    return { code, fuelUsed, returned }
  }

  /** Deploys through governance; what the receipt says. */
  deploy(code: Uint8Array, manifest = plainManifest, fuelLimit = 900_000_000): Receipt {
    const { world, vendor } = this
    const schema = kernelCommandSchemas.get(kernelCommandTag.deploy) as Schema
    const body = borsh(schema, { vendor: vendor.entity, manifest: sha256(manifest), code: sha256(code) })
    const command = Buffer.concat([Buffer.from([kernelCommandTag.deploy]), body])
    const options = { attachments: [manifest, code], fuelLimit }
    return world.block([world.call(vendor, 'ward/governance', 'command', command, options)])
      .receiptsDecoded[0]
  }

  private call(alias: string, args: Uint8Array, fuelLimit: number, isTraced: boolean): Ending {
    const { world, caller } = this
    this.frames = []
    const events: TraceEvent[] = []
    const trace = { trace: (event: TraceEvent): void => void events.push(event) }
    const block = world.block(
      [world.call(caller, alias, 'go', args, { fuelLimit })],
      {},
      isTraced ? trace : {},
    )
    const [receipt] = block.receiptsDecoded
    return {
      code: codeName(receipt.status),
      detail: receipt.detail ?? '',
      fuelUsed: receipt.fuelUsed,
      returned: hex(receipt.returned ?? new Uint8Array(0)),
      frames: this.frames,
      roots: `${hex(block.result.receiptsRoot)} ${hex(block.result.stateRoot)}`,
    }
  }
}
