// A wipe in a process of its own that ends itself with SIGKILL before the given step. Arguments: folder,
// certificate, step.
import { storePassword } from './appliance.fixture.js'
import { wipeNode } from './wipe.js'

const [folder, certificatePath, fatal] = process.argv.slice(2)
let steps = 0
await wipeNode({
  folder,
  certificatePath,
  password: storePassword,
  otherCopies: 'none',
  version: '0.0.0',
  onStep: () => {
    if (steps === Number(fatal)) process.kill(process.pid, 'SIGKILL')
    steps += 1
  },
})
process.stdout.write(`${steps}\n`)
