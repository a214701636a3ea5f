// `npm run build`, second half: contracts to WebAssembly, shell and screens to bundles. Each part skips
// what has not changed.
import { buildContracts } from './build-contracts.js'
import { buildShell } from './build-shell.js'
import { buildVerifier } from './build-verifier.js'
import { writeChartManifest } from './chart-manifest.js'

const quiet = process.argv.includes('--quiet')
const say = (text: string): void => {
  if (!quiet) process.stdout.write(`${text}\n`)
}

await buildContracts({ quiet })
say('contracts: built')
await buildShell()
writeChartManifest()
say('shell and screens: built')
await buildVerifier()
say('verifier: built')
