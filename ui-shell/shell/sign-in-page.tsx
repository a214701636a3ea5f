// Who is there: choose a person, prove it with the second password.
import { useRef, useState } from 'preact/hooks'
import type { PersonView } from '../channel/views.js'
import { formatConcept, visibleText } from '../values/text.js'
import type { Refusal } from './api.js'
import { ProblemLine } from './problem-line.js'
import { PasswordField, takePassword } from './password-field.js'
import type { ShellState } from './shell-state.js'
import { EnvironmentStrip, NoticeLine } from './strips.js'

export interface SignInPageProps {
  state: ShellState
  signIn: (person: string, password: string) => Promise<Refusal | undefined>
}

export function SignInPage({ state, signIn }: SignInPageProps) {
  const field = useRef<HTMLInputElement | null>(null)
  const [chosen, setChosen] = useState<string>('')
  const [isBusy, setIsBusy] = useState(false)
  const [problem, setProblem] = useState<Refusal | undefined>(undefined)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    const password = takePassword(field)
    if (password === '' || chosen === '' || isBusy) return
    setIsBusy(true)
    setProblem(undefined)
    setProblem(await signIn(chosen, password))
    setIsBusy(false)
  }
  const choose = (entity: string): void => {
    setChosen(entity)
    setProblem(undefined)
  }
  return (
    <>
      <EnvironmentStrip environment={state.status?.environment ?? ''} />
      <main class="lone wide" data-testid="sign-in-page">
        <h1>Sign in</h1>
        <p class="muted">
          {visibleText(state.status?.chainName ?? '', 100)} · {visibleText(state.status?.name ?? '', 64)}
        </p>
        <NoticeLine notice={state.notice} dismiss={() => undefined} />
        <form onSubmit={(event) => void submit(event)}>
          <fieldset disabled={isBusy}>
            <legend>Who are you?</legend>
            {state.people.map((person) => (
              <PersonChoice
                key={person.entity}
                person={person}
                isChosen={chosen === person.entity}
                choose={choose}
              />
            ))}
            {state.people.length === 0 && (
              <p>Nobody can sign in here yet. An administrator must enrol people.</p>
            )}
          </fieldset>
          <PasswordField
            id="person-password"
            label="Your own password"
            autocomplete="current-password"
            isDisabled={isBusy}
            describedBy="sign-in-problem"
            isInvalid={problem !== undefined}
            fieldRef={field}
          />
          <button type="submit" class="primary" disabled={isBusy || chosen === ''}>
            {isBusy ? 'Signing in…' : 'Sign in'}
          </button>
          <ProblemLine id="sign-in-problem" problem={problem} testId="problem" />
        </form>
      </main>
    </>
  )
}

function PersonChoice(props: { person: PersonView; isChosen: boolean; choose: (entity: string) => void }) {
  const { person, isChosen, choose } = props
  return (
    <label class={`person ${isChosen ? 'chosen' : ''}`}>
      <input
        type="radio"
        name="person"
        value={person.entity}
        checked={isChosen}
        onChange={() => choose(person.entity)}
      />
      <span>
        <strong>{visibleText(person.label, 200)}</strong>
        <span class="muted">{person.roles.map((role) => formatConcept(role)).join(', ')}</span>
      </span>
    </label>
  )
}
