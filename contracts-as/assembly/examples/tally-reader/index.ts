// Example: asks one version of the tally by its address, whichever is active, and says how old the answer
// is. Whatever goes wrong in the callee comes back as a code.
import { answer, input, tryCallVersion, Reader, Writer } from '../../sdk'

/** All that one answer may cost us; a version that is not active has to be loaded, by its size. */
const ANSWER_FUEL: i64 = 5_000_000

/** {address, method, patient} -> {code, count, frozenSince}. */
export function ask(): void {
  const reader = input()
  const address = reader.fixed(32)
  const method = reader.text(64)
  const patient = reader.fixed(16)
  reader.end()
  const result = tryCallVersion(address, method, new Writer().fixed(patient), ANSWER_FUEL)
  const count = result.ok && result.value.length == 4 ? new Reader(result.value).u32() : 0
  answer(new Writer().u16(result.code as u16).u32(count).u64(result.frozenSince))
}
