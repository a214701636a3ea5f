// The ward: one row per patient, the worst open alert first.
import { useState } from 'preact/hooks'
import type { PatientView } from '../channel/views.js'
import { formatName, visibleText } from '../values/text.js'
import { ageYears, formatBirthDate } from '../values/time.js'
import { recordNumber, sexWord } from './patient-banner.js'
import { Severity } from './severity.js'
import type { ShellState } from './shell-state.js'

/** A search is worth its place only beyond what one screen shows. */
const searchFrom = 8

export function PatientList(props: { state: ShellState; now: number; open: (patient: string) => void }) {
  const { state, now, open } = props
  const [wanted, setWanted] = useState('')
  const patients = state.patients.filter((patient) => matches(patient, wanted))
  return (
    <main class="list" data-testid="patient-list">
      <div class="list-head">
        <h1>Patients</h1>
        {state.patients.length >= searchFrom && (
          <label>
            Find{' '}
            <input
              type="search"
              value={wanted}
              placeholder="name, record number or bed"
              onInput={(event) => setWanted(event.currentTarget.value)}
            />
          </label>
        )}
      </div>
      {state.patients.length === 0 && (
        <p>No patient is admitted, or you have no grant to see one. An administrator can say which.</p>
      )}
      <ul>
        {patients.map((patient) => (
          <li key={patient.patient}>
            <button
              type="button"
              class="patient"
              data-testid="patient"
              data-patient={patient.patient}
              onClick={() => open(patient.patient)}
            >
              <span class="patient-name">{formatName(patient.family, patient.given)}</span>
              <span>
                born {formatBirthDate(patient.birthDate)}
                {ageText(patient, now)}, {sexWord(patient.sex)}
              </span>
              <span>record {recordNumber(patient)}</span>
              <span>{placeText(patient)}</span>
              <span class="patient-alerts">
                <Severity severity={patient.worstSeverity} />
                {alertText(patient.openAlerts)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </main>
  )
}

function ageText(patient: PatientView, now: number): string {
  const age = ageYears(patient.birthDate, now)
  return age === undefined ? '' : ` (${age} y)`
}

function placeText(patient: PatientView): string {
  const parts = [patient.ward, patient.room, patient.bed === '' ? '' : `bed ${patient.bed}`]
  const place = parts.filter((part) => part !== '').map((part) => visibleText(part, 40))
  return place.length === 0 ? 'place not recorded' : place.join(' · ')
}

function alertText(openAlerts: number): string {
  if (openAlerts === 0) return 'no open alerts'
  return openAlerts === 1 ? '1 open alert' : `${openAlerts} open alerts`
}

function matches(patient: PatientView, wanted: string): boolean {
  const words = wanted
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  const text = [
    patient.family,
    patient.given,
    patient.bed,
    patient.room,
    ...patient.identifiers.map((identifier) => identifier.value),
  ]
  const haystack = text.join(' ').toLowerCase()
  return words.every((word) => haystack.includes(word))
}
