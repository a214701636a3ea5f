// Who this is about: never scrolls away, never collapses, and stands inside every signing dialog in the
// same form.
import type { PatientView } from '../channel/views.js'
import { formatName, visibleText } from '../values/text.js'
import { ageYears, formatBirthDate } from '../values/time.js'

export function PatientBanner(props: { patient: PatientView; now: number; close?: () => void }) {
  const { patient, now, close } = props
  const name = formatName(patient.family, patient.given)
  const age = ageYears(patient.birthDate, now)
  const place = [patient.ward, patient.room, patient.bed]
    .filter((part) => part !== '')
    .map((part) => visibleText(part, 40))
  return (
    <section
      class="banner"
      aria-label={close === undefined ? 'Patient to sign for' : 'Patient banner'}
      data-testid="banner"
    >
      {close !== undefined && (
        <button
          type="button"
          class="back"
          aria-label="Back to patients"
          onClick={close}
          data-testid="close-patient"
        >
          <span aria-hidden="true">‹</span> <span class="back-word">Patients</span>
        </button>
      )}
      {close === undefined ? (
        <p class="banner-name">{name}</p>
      ) : (
        <h1 class="banner-name" title={name}>
          {name}
        </h1>
      )}
      <dl>
        <Item
          label="Born"
          text={`${formatBirthDate(patient.birthDate)}${age === undefined ? '' : ` (${age} y)`}`}
        />
        <Item label="Sex" text={sexWord(patient.sex)} />
        <Item label="Record" text={recordNumber(patient)} />
        <Item label="Place" text={place.length === 0 ? 'not recorded' : place.join(' · ')} />
        <Item
          label="Allergies"
          text={patient.allergies === '' ? 'not recorded' : visibleText(patient.allergies, 200)}
        />
        <Item
          label="Code status"
          text={patient.codeStatus === '' ? 'not recorded' : visibleText(patient.codeStatus, 80)}
        />
        <Item label="Open alerts" text={patient.openAlerts.toString()} />
      </dl>
    </section>
  )
}

function Item({ label, text }: { label: string; text: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{text}</dd>
    </div>
  )
}

const sexWords: Readonly<Record<string, string>> = { F: 'female', M: 'male', O: 'other', A: 'ambiguous' }
export const sexWord = (sex: string): string =>
  sexWords[sex] ?? (sex === '' ? 'not recorded' : visibleText(sex, 20))

/** The medical record number, else the first identifier: the second identifier beside the name. */
export function recordNumber(patient: PatientView): string {
  const identifier = patient.identifiers.find((one) => one.type === 'MR') ?? patient.identifiers.at(0)
  if (identifier === undefined) return 'not recorded'
  const authority = identifier.authority === '' ? '' : ` (${visibleText(identifier.authority, 40)})`
  return visibleText(identifier.value, 60) + authority
}
