// All that a sealed node shows: that it is sealed, and one field. No patient, no person, no page from
// before.
import { useRef, useState } from 'preact/hooks'
import type { SealedStatusView } from '../channel/views.js'
import type { Refusal } from './api.js'
import { ProblemLine } from './problem-line.js'
import { PasswordField, takePassword } from './password-field.js'
import { EnvironmentStrip } from './strips.js'

export interface UnlockPageProps {
  status: SealedStatusView | undefined
  isReachable: boolean
  unlock: (password: string) => Promise<Refusal | undefined>
}

export function UnlockPage({ status, isReachable, unlock }: UnlockPageProps) {
  const field = useRef<HTMLInputElement | null>(null)
  const [isBusy, setIsBusy] = useState(false)
  const [problem, setProblem] = useState<Refusal | undefined>(undefined)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    const password = takePassword(field)
    if (password === '' || isBusy) return
    setIsBusy(true)
    setProblem(undefined)
    setProblem(await unlock(password))
    setIsBusy(false)
  }
  const progress = status?.progress
  return (
    <>
      <EnvironmentStrip environment={status?.environment ?? ''} />
      <main class="lone" data-testid="unlock-page">
        <h1>This computer is sealed</h1>
        {status?.initialised === false ? (
          <p>This node has no keys yet. An administrator must set it up first.</p>
        ) : (
          <form onSubmit={(event) => void submit(event)}>
            <PasswordField
              id="store-password"
              label="Store password"
              autocomplete="current-password"
              isDisabled={isBusy}
              describedBy="unlock-problem"
              isInvalid={problem !== undefined}
              isFocused
              fieldRef={field}
            />
            <button type="submit" class="primary" disabled={isBusy}>
              {isBusy ? 'Unlocking…' : 'Unlock'}
            </button>
            <Progress isBusy={isBusy || (progress ?? null) !== null} progress={progress ?? null} />
            <ProblemLine id="unlock-problem" problem={problem} testId="problem" />
          </form>
        )}
        {!isReachable && (
          <p class="problem" role="status">
            The node does not answer. This page tries again by itself.
          </p>
        )}
      </main>
    </>
  )
}

/** Deriving the key takes a second or more by design; the line says that something happens. */
function Progress({ isBusy, progress }: { isBusy: boolean; progress: SealedStatusView['progress'] }) {
  return (
    <div class="progress-place" role="status">
      {isBusy && (
        <>
          <progress
            aria-label="Unlocking"
            max={100}
            value={progress === null ? undefined : progress.percent}
          />
          <span>{progress?.phase ?? 'deriving the key'}</span>
        </>
      )}
    </div>
  )
}
