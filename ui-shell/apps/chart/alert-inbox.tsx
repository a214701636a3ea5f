// The alerts of this patient: what to do in one sentence, and on demand every reason behind it.
import { useState } from 'preact/hooks'
import type { AlertView } from '../../channel/views.js'
import { visibleText } from '../../values/text.js'
import { AlertReasons } from './alert-reasons.js'
import { FinalityMark, Severity, When } from './words.js'

export interface AlertInboxProps {
  alerts: AlertView[] | undefined
  now: number
  /** Id of what is being signed. */
  busy: string
  acknowledge: (alert: AlertView) => void
}

const stateRanks = { open: 0, acknowledged: 1, replaced: 2, retracted: 3 } as const

export function AlertInbox({ alerts, now, busy, acknowledge }: AlertInboxProps) {
  const sorted = [...(alerts ?? [])].sort(
    (left, right) =>
      stateRanks[left.state] - stateRanks[right.state] ||
      right.severity - left.severity ||
      left.raisedTime - right.raisedTime,
  )
  const open = sorted.filter((alert) => alert.state === 'open').length
  return (
    <section aria-labelledby="alerts-title">
      <h2 id="alerts-title">
        Alerts{' '}
        {alerts !== undefined && (
          <span class="count" data-testid="open-count">
            {open} not acknowledged
          </span>
        )}
      </h2>
      {alerts === undefined && <p class="muted">Reading…</p>}
      {alerts?.length === 0 && <p class="muted">No alert was raised for this patient.</p>}
      <ul class="cards">
        {sorted.map((alert, index) => (
          <AlertCard
            key={alert.id}
            alert={alert}
            now={now}
            isFirst={index === 0 && alert.state === 'open'}
            isBusy={busy === alert.id}
            acknowledge={acknowledge}
          />
        ))}
      </ul>
    </section>
  )
}

interface AlertCardProps {
  alert: AlertView
  now: number
  /** The most pressing one shows its reasons at once. */
  isFirst: boolean
  isBusy: boolean
  acknowledge: (alert: AlertView) => void
}

function AlertCard({ alert, now, isFirst, isBusy, acknowledge }: AlertCardProps) {
  // Decided once: reasons that someone reads must not fold away because the alert was answered.
  const [isOpenAtFirst] = useState(isFirst)
  return (
    <li
      class={`card alert severity-edge-${alert.severity} is-${alert.state}`}
      id={`card-${alert.id}`}
      tabIndex={-1}
      data-testid="alert"
      data-alert={alert.id}
    >
      <div class="line">
        <Severity severity={alert.severity} />
        <FinalityMark finality={alert.finality} height={alert.height} />
        {alert.unvalidated && alert.state !== 'retracted' && (
          <span class="mark dashed" title="Rests on a device value that nobody has confirmed">
            unvalidated
          </span>
        )}
        {alert.state === 'replaced' && <span class="mark">replaced by a more severe alert</span>}
        <span class="muted">
          raised <When time={alert.raisedTime} now={now} />
        </span>
      </div>
      <h3 class={alert.state === 'retracted' ? 'struck' : ''}>{visibleText(alert.summary, 300)}</h3>
      {alert.state === 'open' && (
        <button
          type="button"
          class="primary"
          disabled={isBusy || alert.finality !== 'final'}
          data-testid="acknowledge"
          onClick={() => acknowledge(alert)}
        >
          {isBusy ? 'Waiting for your signature…' : 'Acknowledge…'}
          <span class="unseen"> {visibleText(alert.summary, 100)}</span>
        </button>
      )}
      {alert.state === 'open' && alert.finality === 'tentative' && (
        <p class="muted">It can be acknowledged as soon as the network has agreed.</p>
      )}
      <details open={isOpenAtFirst}>
        <summary>Why, and what would change it</summary>
        <AlertReasons alert={alert} now={now} />
      </details>
    </li>
  )
}
