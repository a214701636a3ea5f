// A person changes the second password: the same key, wrapped anew, goes onto the chain under the person's
// own signature, so that the new password works at every node. Whoever has an older copy of the wrapping,
// from the founding document or an old block, still opens that copy with the old password: only another key
// ends it.
import { bytesToHex, refused } from '../../runtime/protocol/index.js'
import type { Outcome, ReceiptView } from '../api/node-port.js'
import { wrapPersonKey } from '../keys/person-keystore.js'
import type { PeopleBook } from './people-book.js'
import type { PersonSession, Sessions } from './sessions.js'
import type { Unsealed } from './unsealed.js'

/** As the `ward` command asks for it. */
const passwordBytesMin = 8

/** Whether this is the person's password, by the newest wrapping on the chain. */
export async function confirms(
  people: PeopleBook,
  sessions: Sessions,
  { entity }: PersonSession,
  password: Uint8Array | undefined,
): Promise<boolean> {
  return password !== undefined && sessions.confirm(await people.entry(bytesToHex(entity)), password)
}

/** SESSION_REQUIRED, SIGN_IN_REJECTED, PASSWORD_TOO_SHORT, and what signing may answer. */
export async function changePassword(
  { signing, reads }: Pick<Unsealed, 'signing' | 'reads'>,
  sessions: Sessions,
  token: string,
  [present, changed]: [Uint8Array, Uint8Array],
): Promise<Outcome<ReceiptView>> {
  const session = sessions.find(token)
  if (!session) return refused('SESSION_REQUIRED')
  if (!(await confirms(reads.people, sessions, session, present))) return refused('SIGN_IN_REJECTED')
  if (changed.length < passwordBytesMin) return refused('PASSWORD_TOO_SHORT')
  const keystore = bytesToHex(await wrapPersonKey(session.key, changed))
  const call = {
    type: 'call',
    target: 'ward/governance',
    method: 'setKeystore',
    args: { keystore },
  } as const
  const prepared = await signing.prepare(session, call, true)
  return prepared.ok ? signing.sign(session, prepared.value.id) : prepared
}
