// A password field that may be pasted into and looked at (WCAG 3.3.8), and is emptied as soon as it was
// used.
import { useEffect, useRef, useState } from 'preact/hooks'

export interface PasswordFieldProps {
  id: string
  label: string
  autocomplete: 'current-password'
  isDisabled: boolean
  /** Id of the element that says what went wrong. */
  describedBy?: string
  isInvalid: boolean
  isFocused?: boolean
  fieldRef: { current: HTMLInputElement | null }
}

export function PasswordField(props: PasswordFieldProps) {
  const [isShown, setIsShown] = useState(false)
  const wasFocused = useRef(false)
  const wasDisabled = useRef(false)
  useEffect(() => {
    // After a refused attempt the next one begins here; only once the field takes input again can it take
    // the focus.
    if (wasDisabled.current && !props.isDisabled) props.fieldRef.current?.focus()
    wasDisabled.current = props.isDisabled
  }, [props.isDisabled])
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      <div class="password">
        <input
          id={props.id}
          ref={(element) => {
            props.fieldRef.current = element
            if (element !== null && props.isFocused && !wasFocused.current) {
              wasFocused.current = true
              element.focus()
            }
          }}
          // The typings know either kind of field; this one is both in turn.
          // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion -- needed
          type={(isShown ? 'text' : 'password') as 'password'}
          autocomplete={props.autocomplete}
          autocapitalize="off"
          spellcheck={false}
          maxLength={512}
          disabled={props.isDisabled}
          aria-invalid={props.isInvalid}
          aria-describedby={props.describedBy}
          required
        />
        <button
          type="button"
          class="quiet"
          aria-pressed={isShown}
          aria-controls={props.id}
          onClick={() => setIsShown(!isShown)}
        >
          {isShown ? 'Hide' : 'Show'}
          <span class="unseen"> password</span>
        </button>
      </div>
    </div>
  )
}

/** The value, taken out: the field is empty afterwards. */
export function takePassword(field: { current: HTMLInputElement | null }): string {
  const input = field.current
  if (input === null) return ''
  const { value } = input
  input.value = ''
  return value
}
