// The example of a migration (contracts-as/assembly/examples): built when a test or a bench wants it, kept
// apart from the contracts that a hospital gets.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { GenesisContract } from '../runtime/protocol/index.js'
import { buildContracts } from './build-contracts.js'
import { distFolder } from './ward/system-contracts.js'

export const tallyAlias = 'example/tally'

/** Layout 1 and layout 2 of `example/tally`; the second migrates lazily and in slices. */
export async function buildTally(): Promise<[GenesisContract, GenesisContract]> {
  return [await build('1'), await build('2')]
}

async function build(layout: string): Promise<GenesisContract> {
  const output = path.join(distFolder, 'examples', layout)
  await buildContracts({ quiet: true, manifests: `examples/${layout}`, output })
  const stem = path.join(output, 'example-tally')
  return {
    manifest: new Uint8Array(readFileSync(`${stem}.manifest.cbor`)),
    code: new Uint8Array(readFileSync(`${stem}.wasm`)),
  }
}
