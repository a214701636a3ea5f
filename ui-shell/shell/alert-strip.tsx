// Open alerts of all patients whom this person may see. It never takes the focus; critical ones are spoken
// at once.
import type { AlertView, PatientView } from '../channel/views.js'
import { formatName, visibleText } from '../values/text.js'
import { formatAge } from '../values/time.js'
import { Severity } from './severity.js'
import type { ShellState } from './shell-state.js'

/** More would push the patient off the screen; the list shows the count of the rest. */
const alertCountMax = 3

export function AlertStrip(props: { state: ShellState; now: number; open: (patient: string) => void }) {
  const { state, now, open } = props
  const alerts = state.alerts.filter((alert) => alert.state === 'open').sort(bySeverityThenAge)
  const shown = alerts.slice(0, alertCountMax)
  const critical = alerts.filter((alert) => alert.severity >= 3)
  return (
    <section
      class={`alerts ${alerts.length === 0 ? 'calm' : ''}`}
      aria-label="Open alerts"
      data-testid="alert-strip"
    >
      <p class="unseen" aria-live="assertive" data-testid="critical-live">
        {critical.map((alert) => `Critical alert: ${spoken(alert, state.patients)}`).join('. ')}
      </p>
      <p class="unseen" aria-live="polite">
        {alerts.length === 0 ? '' : `${alerts.length} open alerts`}
      </p>
      {alerts.length === 0 && <p class="muted">No open alerts</p>}
      <ul>
        {shown.map((alert) => (
          <li key={alert.id}>
            <button
              type="button"
              class={`alert-line severity-line-${alert.severity} ${alert.finality}`}
              data-testid="alert-line"
              data-alert={alert.id}
              onClick={() => open(alert.patient)}
            >
              <Severity severity={alert.severity} />
              <strong>{nameOf(alert, state.patients)}</strong>
              <span class="grow">{visibleText(alert.summary, 160)}</span>
              {alert.unvalidated && <span class="mark dashed">unvalidated</span>}
              <span class={`mark ${alert.finality === 'tentative' ? 'dashed' : ''}`}>
                <span aria-hidden="true">{alert.finality === 'tentative' ? '○' : '■'}</span>{' '}
                {alert.finality}
              </span>
              <span class="muted">{formatAge(alert.raisedTime, now)}</span>
            </button>
          </li>
        ))}
      </ul>
      {alerts.length > shown.length && (
        <p class="muted">and {alerts.length - shown.length} more in the list</p>
      )}
    </section>
  )
}

const bySeverityThenAge = (left: AlertView, right: AlertView): number =>
  right.severity - left.severity || left.raisedTime - right.raisedTime

function nameOf(alert: AlertView, patients: PatientView[]): string {
  const patient = patients.find((candidate) => candidate.patient === alert.patient)
  if (patient === undefined) return 'A patient'
  const bed = patient.bed === '' ? '' : ` · bed ${visibleText(patient.bed, 20)}`
  return formatName(patient.family, patient.given) + bed
}

const spoken = (alert: AlertView, patients: PatientView[]): string =>
  `${nameOf(alert, patients)}: ${visibleText(alert.summary, 160)}`
