// What a contract means by the number that it refused with. The receipt holds the number only, for a
// contract's words are outside the hash; a person gets a sentence.
import { codeOfStatus, errorTable } from '../../runtime/protocol/error-codes.js'

/** Numbers of the system contracts from 1000 on (contracts-as/assembly/sdk/codes.ts). */
const systemRefusals: ReadonlyMap<number, string> = new Map([
  [1_000, 'This was done or decided already, perhaps by somebody else just now. Look at what stands.'],
  [
    1_001,
    'The last administrator cannot be removed: nobody could grant anything afterwards. Add another first.',
  ],
  [1_002, 'No grant has this id, and none like it is asked for. Look it up in the list of grants.'],
  [1_003, 'This answer needs a reason. Give one and sign again.'],
  [
    1_004,
    'You asked for this already. It waits for another administrator, who has to sign the same within seven days.',
  ],
  [
    1_005,
    'Only a person can count as an administrator: one of the founding document, or enrolled by two administrators.',
  ],
  [
    1_006,
    'An administrator was removed in the last seven days. Until they are over nobody becomes one by an own word: wait, then let the administrator ask again if that request has lapsed.',
  ],
])

const systemVendor = 'ward/'

/**
 * The sentence for a receipt with CONTRACT_ABORTED. `target` is `alias.method`; `detail` the contract's own
 * number in decimal: below 1000 it has the protocol's meaning (the contract says so; nobody checked it).
 */
export function contractRefusal(target: string, detail: string): string {
  const number = Number(detail)
  const nothingDone = 'The contract refused, and nothing was changed. '
  if (number === errorTable.CALL_NOT_GRANTED.number)
    return `${nothingDone}Who signed has no grant for ${target}, or it takes another person, or the person itself without a contract in between. Ask an administrator, or let somebody sign who may.`
  const claimed = number > 0 && number < 1_000 ? codeOfStatus(number) : undefined
  if (claimed !== undefined) return nothingDone + errorTable[claimed].sentence
  const own = target.startsWith(systemVendor) ? systemRefusals.get(number) : undefined
  return own === undefined ? errorTable.CONTRACT_ABORTED.sentence : nothingDone + own
}
