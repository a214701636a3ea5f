// A wipe in a process of its own that ends itself with SIGKILL before the given step. Arguments: folder,
// certificate, step, and `ordered` for a wipe by governance of a node whose stores are open.
import { decodeIdentity } from '../keys/node-identity.js'
import { nodeFiles } from '../node/node-config.js'
import { openChainStore, openKeyslot, readSealedFile } from '../store/index.js'
import { storePassword } from './appliance.fixture.js'
import { eraseKeysByOrder, obeyWipe } from './remote-wipe.js'
import { wipeNode } from './wipe.js'

const [folder, certificatePath, fatal, kind] = process.argv.slice(2)
let steps = 0
const onStep = (): void => {
  if (steps === Number(fatal)) process.kill(process.pid, 'SIGKILL')
  steps += 1
}
const common = { folder, certificatePath, version: '0.0.0', onStep }

if (kind === 'ordered') {
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, storePassword)
  const identity = decodeIdentity(readSealedFile(nodeFiles(folder).identity, dataKey) ?? new Uint8Array(0))
  const store = openChainStore(nodeFiles(folder).chain, dataKey)
  const order = { height: 7, orderedBy: ['aa', 'bb'], reason: '', identity }
  eraseKeysByOrder(order, common)
  if (store.applied() === undefined) throw new Error('the open store goes on until it is closed')
  await store.close()
  dataKey.close()
  await obeyWipe(order, common)
} else {
  await wipeNode({ ...common, password: storePassword, otherCopies: 'none' })
}
process.stdout.write(`${steps}\n`)
