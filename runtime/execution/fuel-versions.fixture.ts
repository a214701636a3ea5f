// Chains whose fuel schedule or instrumenter governance switches: the commands for it, and a journal of their
// blocks to run each again on the state of its time.
import {
  codeOfStatus,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  type Schema,
} from '../protocol/index.js'
import {
  executeBlock,
  rewind,
  undoOf,
  type BlockInput,
  type ExecutedBlock,
  type ModuleCache,
} from './index.js'
import type { TestContract } from './test-contracts.fixture.js'
import { borsh, hex, ports, sha256, signerOf, type World } from './world.fixture.js'

export const admin = signerOf('admin')
export const vendor = signerOf('vendor', entityKind.vendor)

export function command(
  world: World,
  tag: keyof typeof kernelCommandTag,
  body: unknown,
  attachments: Uint8Array[] = [],
  fuelLimit = 100_000_000,
): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  const args = Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
  const signer = tag === 'deploy' ? vendor : admin
  return world.call(signer, 'ward/governance', 'command', args, { attachments, fuelLimit })
}

export const statuses = ({ receiptsDecoded }: ExecutedBlock): string[] =>
  receiptsDecoded.map(({ status, detail }) => `${codeOfStatus(status)} ${detail ?? ''}`.trim())

export function deployment(world: World, contract: TestContract, fuelLimit = 900_000_000): Uint8Array {
  const { manifestBytes: manifest, code } = contract
  const body = { vendor: vendor.entity, manifest: sha256(manifest), code: sha256(code) }
  return command(world, 'deploy', body, [manifest, code], fuelLimit)
}

export const switchAt = (world: World, height: number): Uint8Array =>
  command(world, 'setFuelSchedule', { fuelSchedule: 2, instrumenter: 1, height: BigInt(height) })

/** Blocks with what it takes to run them again on the state of their time. */
export class Journal {
  readonly #entries: { input: BlockInput; block: ExecutedBlock; undo: ReturnType<typeof undoOf> }[] = []
  constructor(readonly world: World) {}

  step(bundles: Uint8Array[]): ExecutedBlock {
    const { world } = this
    const input = world.propose(bundles)
    const outcome = world.try(bundles)
    if (!outcome.ok) throw new Error(outcome.code)
    const undo = undoOf(world.chain, outcome.writeSet, input.header.height)
    const block = world.block(bundles)
    this.#entries.push({ input, block, undo })
    return block
  }

  /** Heights whose receipts come out otherwise, all blocks run again from the newest to the oldest. */
  differing(cache: ModuleCache): number[] {
    const differing: number[] = []
    const undos: ReturnType<typeof undoOf>[] = []
    for (const { input, block, undo } of this.#entries.toReversed()) {
      undos.push(undo)
      const { height } = input.header
      const again = executeBlock(input, rewind(this.world.chain, undos, height), cache, ports)
      const isSame = again.ok && again.receipts.map(hex).join() === block.receipts.map(hex).join()
      if (!isSame) differing.push(height)
    }
    return differing
  }
}
