// A person is told what a contract's number means, as far as it is known.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { errorTable } from '../../runtime/protocol/error-codes.js'
import { contractRefusal } from './contract-refusals.js'

t.test('numbers of the protocol, of the system contracts, of a vendor', async (t) => {
  t.match(contractRefusal('ward/governance.revokeKey', '101'), /no grant for ward\/governance\.revokeKey/)
  t.match(contractRefusal('ward/policy.assignRole', '101'), /or it takes another person/)
  t.match(contractRefusal('acme/rule.run', '104'), errorTable.RECORD_UNKNOWN.sentence)
  t.match(contractRefusal('ward/alerts.acknowledge', '1000'), /nothing was changed.*somebody else/)
  const unknown = errorTable.CONTRACT_ABORTED.sentence
  for (const detail of ['', 'x', '0', '-1', '999', '1.5', '65535'])
    t.equal(contractRefusal('ward/alerts.acknowledge', detail), unknown, detail)
  t.equal(contractRefusal('acme/rule.run', '1000'), unknown, 'a vendor counts in numbers of its own')
})

t.test('every number that the SDK names has a sentence', async (t) => {
  const names = readFileSync('contracts-as/assembly/sdk/codes.ts', 'utf8')
  const numbers = [...names.matchAll(/export const \w+: i32 = (\d+)/g)].map(([, number]) => number)
  t.ok(numbers.length >= 10)
  for (const number of numbers)
    t.not(contractRefusal('ward/any.method', number), errorTable.CONTRACT_ABORTED.sentence, number)
})
