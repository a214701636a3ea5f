// Lines across the page: which chain this is, and what became of the last action.
import { visibleText } from '../values/text.js'
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
