// `ward/sepsis-screen`: screens for sepsis whenever a vital sign, a laboratory value or a finding arrives.
import { AlertOutcome, answer, Context, Explanation, input, RecordTrigger, Writer } from '../../sdk'
import { Evidence } from '../shared/evidence'
import { remember, retractIfCorrected } from '../shared/raised-alerts'
import { proposeOrders } from './order-set'
import { branches, screen } from './screen'

const RULE = 'ward/sepsis-screen'

/** Triggered by observations and findings of one transaction and patient. */
export function onRecords(): void {
  const trigger = RecordTrigger.read(input())
  const context = new Context()
  const evidence = new Evidence(trigger.patient, trigger.records, context.time)
  const screening = screen(evidence)
  screening.explain()
  const alert = screening.alert
  if (alert === null) {
    retractIfCorrected(evidence, branches)
    return
  }
  const receipt = alert.raise()
  if (receipt.outcome == AlertOutcome.Folded) return
  remember(alert, receipt.alert)
  const isProposed = proposeOrders(RULE, context.ownAddress, trigger.patient, receipt.alert)
  if (!isProposed) Explanation.note('orders', 'the order set could not be proposed; the alert stands')
}

/**
 * {patient} -> {outcome, reason, alert?}: what the rule says of this patient now, and why. Raises nothing.
 */
export function explain(): void {
  const screening = screen(new Evidence(input().fixed(16), [], new Context().time))
  const writer = new Writer().text(screening.outcome).text(screening.reason)
  const alert = screening.alert
  if (alert === null) writer.bool(false)
  else alert.writeDraft(writer.bool(true).fixed(alert.patient))
  answer(writer)
}
