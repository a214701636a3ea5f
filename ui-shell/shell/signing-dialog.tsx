// The signing dialog: the shell's own, drawn from the transaction's bytes. Everything else is dimmed and
// inert while it is open, and its band lies over the top bar, where no frame can draw.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { PersonView, PreparedView } from '../channel/views.js'
import { shortId, visibleText } from '../values/text.js'
import type { Refusal, ShellApi } from './api.js'
import { ProblemLine } from './problem-line.js'
import { PasswordField, takePassword } from './password-field.js'
import { PatientBanner } from './patient-banner.js'
import { noticeOf, type Notice } from './shell-state.js'
import { subjectProblem, type SigningRequest } from './signing.js'
import { SigningText, textLength, unreadText } from './signing-text.js'

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
  const [isRead, setIsRead] = useState(false)
  const wrong = subjectProblem(request, props.openPatient)
  const maySign = isRead && wrong === undefined
  const { isBusy, problem, submit } = useSigning(props, field, maySign)
  const isPasswordAsked = prepared.passwordNeeded && wrong === undefined
  useOpening(dialog, () => (isPasswordAsked ? field.current : heading.current))
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
      <Subjects prepared={prepared} now={now} />
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="signing-title" ref={heading} tabIndex={-1}>
          “{visibleText(prepared.meaning, 200)}”
        </h2>
        <SigningText
          prepared={prepared}
          application={request.application}
          person={person}
          now={now}
          onEnd={() => setIsRead(true)}
        />
        {isPasswordAsked && (
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
        <ProblemLine id="signing-problem" problem={wrong ?? problem} testId="signing-problem" />
        <LengthLine length={textLength(prepared)} isRead={isRead} />
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy || !maySign} data-testid="sign">
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

/** Shows the dialog, with the focus on what is wanted next: reading on, or else what `next` says. */
function useOpening(dialog: { current: HTMLDialogElement | null }, next: () => HTMLElement | null): void {
  useEffect(() => {
    const element = dialog.current
    if (element === null) return
    element.showModal()
    // showModal focuses what comes first, and may have scrolled past what is to be read.
    element.scrollTop = 0
    const unread = unreadText(element)
    if (unread) unread.focus({ preventScroll: true })
    else next()?.focus()
  }, [])
}

/** The banner of everybody whom it concerns, or the words that it concerns nobody. */
function Subjects({ prepared, now }: { prepared: PreparedView; now: number }) {
  if (prepared.patients.length + prepared.unknownSubjects.length === 0) {
    return (
      <p class="signing-nobody" data-testid="no-patient">
        This concerns no patient.
      </p>
    )
  }
  return (
    <>
      {prepared.patients.map((patient) => (
        <PatientBanner key={patient.patient} patient={patient} now={now} />
      ))}
    </>
  )
}

/** What the Sign button does: checks that it may, asks the node to sign, and says what became of it. */
function useSigning(
  props: SigningDialogProps,
  field: { current: HTMLInputElement | null },
  maySign: boolean,
) {
  const { request, api } = props
  const { prepared } = request
  const openedAt = useRef(performance.now())
  const [isBusy, setIsBusy] = useState(false)
  const [problem, setProblem] = useState<Refusal | undefined>(undefined)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (isBusy || !maySign || performance.now() - openedAt.current < deafMs) return
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

function LengthLine({ length, isRead }: { length: number; isRead: boolean }) {
  return (
    <p class="muted" role="status" data-testid="signing-length">
      {length.toLocaleString('en')} characters to sign.{!isRead && ' Read to the end to sign.'}
    </p>
  )
}

/** Refusals after which the same dialog may be tried again: nothing was signed. */
const retriable = new Set(['SIGN_IN_REJECTED', 'NODE_UNREACHABLE'])
