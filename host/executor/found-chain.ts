// Height 0: executes the founding calls and stores what they made.
import { decodeGenesis } from '../../runtime/protocol/index.js'
import { executeGenesis, type ExecutionPorts, type ModuleCache } from '../../runtime/execution/index.js'
import { StateTree } from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import { genesisBlockWrite } from './block-write.js'
import { ChainState } from './chain-state.js'

export function foundChain(
  store: ChainStore,
  genesisBytes: Uint8Array,
  cache: ModuleCache,
  ports: ExecutionPorts,
): void {
  const genesis = decodeGenesis(genesisBytes)
  if (!genesis.ok) throw Object.assign(new Error(genesis.detail), { code: genesis.code })
  const tree = StateTree.open(store, sha256, genesis.value.leafSalt)
  const founded = executeGenesis(genesisBytes, new ChainState(store, tree), cache, ports)
  if (!founded.ok) {
    throw Object.assign(new Error(`${founded.code}: ${founded.detail ?? ''}`), {
      code: 'GENESIS_MALFORMED',
    })
  }
  store.applyBlock(genesisBlockWrite(genesisBytes, founded.value))
}
