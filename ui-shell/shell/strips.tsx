// Lines across the page: which chain this is, and what became of the last action.
import type { StatusView } from '../channel/views.js'
import { visibleText } from '../values/text.js'
import { formatClock } from '../values/time.js'
import type { Notice } from './shell-state.js'

/** Cannot be switched off: practice on a training chain must never look like care. */
export function EnvironmentStrip({ environment }: { environment: string }) {
  if (environment === '') return null
  return (
    <section class="environment" aria-label="Environment" data-testid="environment">
      <strong>{visibleText(environment, 40)}</strong> — not for the care of patients
    </section>
  )
}

export function NoticeLine({ notice, dismiss }: { notice: Notice | undefined; dismiss: () => void }) {
  return (
    <div class="notice-place" role="status" aria-live="polite">
      {notice !== undefined && (
        <p class={`notice ${notice.tone}`} data-testid="notice" data-code={notice.code}>
          <span aria-hidden="true">{notice.tone === 'good' ? '✓' : '!'}</span>
          <span class="grow">
            {visibleText(notice.text, 600)} {notice.code !== '' && <small>{notice.code}</small>}
          </span>
          <button type="button" class="quiet" onClick={dismiss}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  )
}

/** More names would push the patient off the screen; the rest are counted. */
const rulesMax = 4

/** Whoever watches this screen for an alert must know when none can come: it cannot be dismissed. */
export function QuarantineStrip(props: { rules: StatusView['quarantined'] | undefined; now: number }) {
  const { rules = [], now } = props
  const names = rules
    .slice(0, rulesMax)
    .map(({ alias, since }) => `${visibleText(alias, 80)} (since ${formatClock(since, now)})`)
  const more = rules.length > rulesMax ? ` and ${rules.length - rulesMax} more` : ''
  const isOne = rules.length === 1
  return (
    <div role="status" aria-live="polite">
      {rules.length > 0 && (
        <p class="quarantine" data-testid="quarantine">
          <span aria-hidden="true">!</span>
          <span>
            <strong>
              {isOne ? 'This rule is not running' : `${rules.length} rules are not running`}:{' '}
              {names.join(', ')}
              {more}.
            </strong>{' '}
            {isOne ? 'It' : 'Each'} failed for several patients and is held back. No new alert comes from
            it; earlier ones stay. Readings are recorded as always. Watch your patients as you would without
            it; an administrator can let it run again.
          </span>
        </p>
      )}
    </div>
  )
}
