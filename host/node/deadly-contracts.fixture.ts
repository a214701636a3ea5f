// Contracts that a vendor could ship: one calls itself as deep as its metered stack allows, one burns fuel.
// Neither harms a node as it is delivered; with a smaller native stack, or while somebody ends its thread,
// they are what runs when the executor dies.
import { contractOf, genesisContract, methodsOf } from '../../runtime/execution/test-contracts.fixture.js'

const fuel = 100_000_000

const deep = contractOf(
  { alias: 'acme/deep', methods: methodsOf({ go: 'call' }, fuel) },
  '(func $down (call $down)) (func (export "go") (call $down))',
)
const burn = contractOf(
  { alias: 'acme/burn', methods: methodsOf({ go: 'call' }, fuel) },
  '(func (export "go") (loop $on (br $on)))',
)

export const deadlyContracts = [deep, burn].map(genesisContract)
