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
  return [await build('1', 'example-tally'), await build('2', 'example-tally')]
}

/** A contract that asks the tally by address and catches what fails. */
export const buildTallyReader = (): Promise<GenesisContract> => build('reader', 'example-reader')

async function build(folder: string, name: string): Promise<GenesisContract> {
  const output = path.join(distFolder, 'examples', folder)
  await buildContracts({ quiet: true, manifests: `examples/${folder}`, output })
  const stem = path.join(output, name)
  return {
    manifest: new Uint8Array(readFileSync(`${stem}.manifest.cbor`)),
    code: new Uint8Array(readFileSync(`${stem}.wasm`)),
  }
}
