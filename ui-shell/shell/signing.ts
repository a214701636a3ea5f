// From what a frame proposed to a dialog, and from the dialog back to the frame.
import type { PreparedView } from '../channel/views.js'
import type { Answer, Refusal, ShellApi } from './api.js'

export interface SigningRequest {
  prepared: PreparedView
  /** Title of the page that proposed it; shown as where it comes from, not as what it says. */
  application: string
  /** Patient whose banner was on screen when it was proposed. */
  patient: string
  settle: (answer: Answer<unknown>) => void
  /** Closes without a signature: cancelled, or the banner changed. */
  abandon: () => void
}

/** Has the node build the transaction, then hands a request to `show`; resolves when the dialog ends. */
export async function requestSigning(
  api: ShellApi,
  proposal: unknown,
  context: {
    application: string
    patient: string
    show: (request: SigningRequest) => void
    /** Told when no dialog comes about at all. */
    refused: (refusal: Refusal) => void
  },
): Promise<Answer<unknown>> {
  const prepared = await api.prepare(proposal)
  if (!prepared.ok) {
    context.refused(prepared)
    return prepared
  }
  return new Promise((resolve) => {
    context.show({
      prepared: prepared.value,
      application: context.application,
      patient: context.patient,
      settle: resolve,
      abandon: () =>
        resolve({
          ok: false,
          code: 'CANCELLED',
          sentence: 'Nothing was signed and nothing was changed.',
          detail: '',
        }),
    })
  })
}

/**
 * Why this must not be signed with the chart of `openPatient` on screen; undefined when it may be. Everybody
 * whom it concerns must be the open patient, and everything that it names must be known.
 */
export function subjectProblem(
  request: Pick<SigningRequest, 'prepared' | 'patient'>,
  openPatient: string | undefined,
): Refusal | undefined {
  const { patients, unknownSubjects } = request.prepared
  const isSame =
    request.patient === openPatient && patients.every((subject) => subject.patient === openPatient)
  if (!isSame) {
    return refusal(
      'WRONG_PATIENT',
      'This concerns another patient than the one whose chart is open. Nothing was signed. Cancel it.',
    )
  }
  if (unknownSubjects.length === 0) return undefined
  return refusal(
    'UNKNOWN_SUBJECT',
    'This names a patient, a record or data that cannot be shown here, so nobody can tell whom it ' +
      'concerns. Nothing was signed. Cancel it.',
  )
}

const refusal = (code: string, sentence: string): Refusal => ({ ok: false, code, sentence, detail: '' })
