// The signing dialog: the shell's own, drawn from the transaction's bytes. Everything else is dimmed and
// inert while it is open, and its band lies over the top bar, where no frame can draw.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { PersonView, PreparedView } from '../channel/views.js'
import { shortId, visibleText } from '../values/text.js'
import { formatLeft } from '../values/time.js'
import type { Refusal, ShellApi } from './api.js'
import { ProblemLine } from './problem-line.js'
import { PasswordField, takePassword } from './password-field.js'
import { PatientBanner } from './patient-banner.js'
import { noticeOf, type Notice } from './shell-state.js'
import type { SigningRequest } from './signing.js'

export interface SigningDialogProps {
  request: SigningRequest
  openPatient: string | undefined
  person: PersonView | undefined
  api: ShellApi
  now: number
  close: () => void
  notify: (notice: Notice) => void
}

/** A key held down in a frame must not sign here. */
const deafMs = 400

export function SigningDialog(props: SigningDialogProps) {
  const { request, person, now } = props
  const { prepared } = request
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useRef<HTMLHeadingElement>(null)
  const field = useRef<HTMLInputElement | null>(null)
  const { isBusy, problem, submit } = useSigning(props, field)
  useEffect(() => {
    dialog.current?.showModal()
    // showModal focuses what comes first; what is wanted next is the password, or else a reading of the
    // title.
    if (prepared.passwordNeeded) field.current?.focus()
    else heading.current?.focus()
  }, [])
  const cancel = (): void => {
    if (isBusy) return
    request.abandon()
    props.close()
  }
  return (
    <dialog
      ref={dialog}
      class="signing"
      aria-labelledby="signing-title"
      data-testid="signing-dialog"
      onCancel={(event) => {
        event.preventDefault()
        cancel()
      }}
    >
      <p class="signing-band">wardchain · signing on this computer</p>
      {prepared.patient !== null && <PatientBanner patient={prepared.patient} now={now} />}
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="signing-title" ref={heading} tabIndex={-1}>
          “{visibleText(prepared.meaning, 200)}”
        </h2>
        <Summary prepared={prepared} application={request.application} person={person} now={now} />
        {prepared.passwordNeeded && (
          <PasswordField
            id="signing-password"
            label={`Password of ${visibleText(person?.label ?? '', 100)}`}
            autocomplete="current-password"
            isDisabled={isBusy}
            describedBy="signing-problem"
            isInvalid={problem !== undefined}
            fieldRef={field}
          />
        )}
        <ProblemLine id="signing-problem" problem={problem} testId="signing-problem" />
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy} data-testid="sign">
            {isBusy ? 'Signing, waiting for the network…' : 'Sign'}
          </button>
          <button type="button" disabled={isBusy} onClick={cancel} data-testid="cancel">
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  )
}

/** What the Sign button does: checks that it may, asks the node to sign, and says what became of it. */
function useSigning(props: SigningDialogProps, field: { current: HTMLInputElement | null }) {
  const { request, openPatient, api } = props
  const { prepared } = request
  const openedAt = useRef(performance.now())
  const [isBusy, setIsBusy] = useState(false)
  const [problem, setProblem] = useState<Refusal | undefined>(undefined)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (isBusy || performance.now() - openedAt.current < deafMs) return
    const wrong = wrongPatient(request, openPatient)
    if (wrong !== undefined) return setProblem(wrong)
    const password = prepared.passwordNeeded ? takePassword(field) : ''
    if (prepared.passwordNeeded && password === '') return field.current?.focus()
    setIsBusy(true)
    setProblem(undefined)
    const outcome = await api.sign(prepared.id, password)
    setIsBusy(false)
    if (outcome.ok) {
      const { height, transactionId } = outcome.value.receipt
      const text = `Signed: “${prepared.meaning}”. Final in block ${height} (${shortId(transactionId)}).`
      props.notify({ tone: 'good', text, code: '' })
    } else if (retriable.has(outcome.code)) {
      return setProblem(outcome)
    } else {
      // It was signed and waits, or it can never be signed again: a second press could only do harm.
      props.notify(noticeOf(outcome))
    }
    request.settle(outcome)
    return props.close()
  }
  return { isBusy, problem, submit }
}

/** Refusals after which the same dialog may be tried again: nothing was signed. */
const retriable = new Set(['SIGN_IN_REJECTED', 'NODE_UNREACHABLE'])

interface SummaryProps {
  prepared: PreparedView
  application: string
  person: PersonView | undefined
  now: number
}

function Summary({ prepared, application, person, now }: SummaryProps) {
  return (
    <>
      <dl class="summary">
        {prepared.summary.map((line, index) => (
          <div key={index}>
            <dt>{visibleText(line.label, 60)}</dt>
            <dd>{visibleText(line.text, 600)}</dd>
          </div>
        ))}
        <div>
          <dt>Signer</dt>
          <dd>{visibleText(person?.label ?? '', 100)}</dd>
        </div>
        <div>
          <dt>Asked by</dt>
          <dd>{visibleText(application, 100)}</dd>
        </div>
      </dl>
      <details>
        <summary>Bytes that will be signed</summary>
        <p class="muted">
          {prepared.bytesHex.length / 2} bytes, lane {prepared.lane}, can be signed for{' '}
          {formatLeft(prepared.expires - now)}
        </p>
        <p class="bytes" tabIndex={0} aria-label="Bytes as hexadecimal">
          {prepared.bytesHex}
        </p>
      </details>
    </>
  )
}

/** The bytes, the banner and the page must speak of one patient. */
function wrongPatient(request: SigningRequest, openPatient: string | undefined): Refusal | undefined {
  const subject = request.prepared.patient?.patient
  const isSame = request.patient === openPatient && (subject === undefined || subject === openPatient)
  if (isSame) return undefined
  return {
    ok: false,
    code: 'WRONG_PATIENT',
    sentence:
      'This concerns another patient than the one whose chart is open. Nothing was signed. Cancel it.',
    detail: '',
  }
}
