// May this be signed with that chart on screen? The whole table.
import t from 'tap'
import type { PatientView, PreparedView } from '../channel/views.js'
import { subjectProblem } from './signing.js'

const view = (patient: string): PatientView => ({ patient }) as unknown as PatientView

function codeOf(patients: string[], unknownSubjects: string[], asked: string, open: string | undefined) {
  const prepared = { patients: patients.map(view), unknownSubjects } as unknown as PreparedView
  return subjectProblem({ prepared, patient: asked }, open)?.code
}

t.test('only the open patient, and nothing unknown', async (t) => {
  t.equal(codeOf(['a'], [], 'a', 'a'), undefined)
  t.equal(codeOf([], [], 'a', 'a'), undefined, 'concerns no patient')
  t.equal(codeOf(['b'], [], 'a', 'a'), 'WRONG_PATIENT')
  t.equal(codeOf(['a', 'b'], [], 'a', 'a'), 'WRONG_PATIENT')
  t.equal(codeOf(['a'], ['ee'], 'a', 'a'), 'UNKNOWN_SUBJECT')
  t.equal(codeOf([], ['ee'], 'a', 'a'), 'UNKNOWN_SUBJECT')
  t.equal(codeOf(['a'], [], 'a', 'b'), 'WRONG_PATIENT', 'the banner changed')
  t.equal(codeOf([], [], 'a', undefined), 'WRONG_PATIENT', 'the chart was closed')
})
