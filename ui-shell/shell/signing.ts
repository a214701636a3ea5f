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
