// Compiled contracts as the build left them: module and encoded manifest side by side.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { GenesisContract } from '../../runtime/protocol/index.js'
import { CommandError } from './command-error.js'

/** Folder dist/ of this installation. */
export const distFolder = fileURLToPath(new URL('../../', import.meta.url))

/** `name` is `<vendor>-<name>` as in dist/contracts. */
export function readContract(name: string): GenesisContract {
  try {
    return {
      manifest: readFileSync(`${distFolder}contracts/${name}.manifest.cbor`),
      code: readFileSync(`${distFolder}contracts/${name}.wasm`),
    }
  } catch {
    throw new CommandError('NOT_BUILT', `dist/contracts/${name} is missing. ${whatThereIs()}`)
  }
}

function whatThereIs(): string {
  try {
    const names = readdirSync(`${distFolder}contracts`)
      .filter((file) => file.endsWith('.wasm'))
      .map((file) => file.slice(0, -'.wasm'.length).replace('-', '/'))
    if (names.length > 0) return `This installation has ${names.sort().join(', ')}.`
  } catch {
    // Nothing was built yet.
  }
  return 'Run `npm run build` first.'
}

export const readContracts = (names: readonly string[]): GenesisContract[] => names.map(readContract)
