// A past transaction run again for a signed-in person: the executor does it in small steps, and nothing of
// it is shown before the policy allowed every patient and kind of record in it.
import { hexToBytes, ok, refused } from '../../runtime/protocol/index.js'
import type { Outcome, Pinned, ReplayView } from '../api/node-port.js'
import type { ReplayReply } from '../executor/messages.js'
import { guarded } from './trace-guard.js'
import { pinnedOf, type Permission } from './node-reads.js'

export interface ReplayPorts {
  step(id: Uint8Array): Promise<ReplayReply>
  /** Whoever opened the store itself sees raw bytes of contracts too. */
  showsRaw: boolean
  mayRead(reader: Uint8Array, patient: Uint8Array, kind: number): Promise<Permission>
}

export async function replayFor(
  reader: Uint8Array,
  id: string,
  ports: ReplayPorts,
): Promise<Outcome<Pinned & { replay: ReplayView }>> {
  const bytes = hexToBytes(id)
  if (bytes?.length !== 32) return refused('REQUEST_MALFORMED', 'id')
  let reply = await ports.step(bytes)
  // Other readings go in between: each step is a question of its own.
  while (reply.state === 'working') reply = await ports.step(bytes)
  if (reply.state === 'refused') return refused(reply.code, reply.detail)
  for (const { patient, kind } of reply.touched) {
    const subject = hexToBytes(patient) ?? new Uint8Array(16)
    const { allowed, missing } = await ports.mayRead(reader, subject, kind)
    if (!allowed) return refused('READ_NOT_GRANTED', missing)
  }
  return ok({ ...pinnedOf(reply.pin), replay: ports.showsRaw ? reply.replay : guarded(reply.replay) })
}
