// Proofs for a signed-in person: what is asked, whether the person may see it, and the file.
import { hexToBytes, ok, refused } from '../../runtime/protocol/index.js'
import type { Outcome, Pinned, ProofOf } from '../api/node-port.js'
import type { ExecutorCalls, ProofQuestion } from '../executor/messages.js'
import type { Permission } from './node-reads.js'
import { pinnedOf } from './node-reads.js'

interface ProofPorts {
  prove(question: ProofQuestion): Promise<ExecutorCalls['prove'][1]>
  mayRead(reader: Uint8Array, patient: Uint8Array, kind: number): Promise<Permission>
}

/** A record or patient needs a grant; what is active and who was granted what, a session. */
export async function proofFor(
  reader: Uint8Array,
  asked: ProofOf,
  ports: ProofPorts,
): Promise<Outcome<Pinned & { exists: boolean; document: string }>> {
  const question = questionOf(asked)
  if (question === undefined) return refused('REQUEST_MALFORMED', asked.about)
  const reply = await ports.prove(question)
  if (!reply.ok) return refused(reply.code, reply.detail)
  const { subject, pin, exists, document } = reply
  if (subject !== null) {
    const patient = hexToBytes(subject.patient) ?? new Uint8Array(16)
    const { allowed, missing } = await ports.mayRead(reader, patient, subject.kind)
    if (!allowed) return refused('READ_NOT_GRANTED', missing)
  }
  return ok({ ...pinnedOf(pin), exists, document })
}

const idLengths = { record: 32, patient: 16, grant: 16 } as const

function questionOf({ about, name }: ProofOf): ProofQuestion | undefined {
  if (about === 'alias') return /^[a-z0-9-]+\/[a-z0-9-]+$/.test(name) ? { about, alias: name } : undefined
  const id = hexToBytes(name)
  return id?.length === idLengths[about] ? { about, id } : undefined
}
