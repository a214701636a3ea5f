// What a person says by signing: a fixed sentence for each method and kind of record. No word of it comes
// from the page that proposed (21 CFR 11.50: the meaning belongs to the signature).
import type { Json, JsonObject } from './node-port.js'

const answers: Readonly<Record<string, string>> = {
  '': 'I acknowledge',
  acknowledged: 'I acknowledge',
  acted: 'I answer: acted',
  'will-review': 'I answer: will review',
  'not-applicable': 'I answer: not applicable',
  disagree: 'I answer: disagree',
  retracted: 'I retract this alert',
}

const orderSteps: Readonly<Record<string, string>> = { signed: 'I order', declined: 'I decline' }

const meanings: Readonly<Record<string, string>> = {
  'ward/alerts.retract': 'I retract this alert',
  'ward/orders.sign': 'I order',
  'ward/orders.decline': 'I decline',
  'ward/governance.deploy': 'I deploy this contract',
  'ward/governance.approve': 'I approve this version',
  'ward/governance.withdrawApproval': 'I withdraw this approval',
  'ward/governance.activate': 'I activate these contracts',
  'ward/governance.cancelActivation': 'I cancel this activation',
  'ward/governance.enrol': 'I enrol this key',
  'ward/governance.enrolPerson': 'I enrol this person',
  'ward/governance.setKeystore': 'I change my password',
  'ward/governance.addKey': 'I add this key',
  'ward/governance.revokeKey': 'I revoke this key',
  'ward/governance.setValidators': 'I set the validators',
  'ward/governance.changeValidator': 'I change the validators',
  'ward/governance.admitNode': 'I admit this node',
  'ward/governance.removeNode': 'I remove this node',
  'ward/governance.rotateNode': 'I change the key and address of this node',
  'ward/governance.issueTicket': 'I issue this ticket for new nodes',
  'ward/governance.revokeTicket': 'I withdraw this ticket',
  'ward/governance.liftQuarantine': 'I lift this quarantine',
  'ward/governance.erasePatient': 'I erase this patient',
  'ward/governance.grantCredit': 'I grant this credit',
  'ward/governance.setLanes': 'I set which traffic goes first',
  'ward/governance.setFuelSchedule': 'I set the prices of computing from a height on',
  'ward/appliance.orderWipe': 'I order that this computer is wiped',
  'ward/appliance.withdrawWipe': 'I take back that this computer is wiped',
  'ward/appliance.confirmWipe': 'I confirm that this computer was wiped',
  'ward/appliance.setRelease': 'I decide whether peers give this computer its key shares',
  'ward/policy.assignRole': 'I assign this role',
  'ward/policy.removeRole': 'I remove this role',
  'ward/policy.grant': 'I grant this permission',
  'ward/policy.revoke': 'I revoke this permission',
  'ward/policy.withdrawGrant': 'I take back that this permission was asked for',
  finding: 'I found this',
  observation: 'I observed this',
  admission: 'I admit this patient',
}

/**
 * `subject` is `target.method` or the name of a record's kind. `fields` choose between sentences of the
 * tables and add no word of their own: an answer that no table knows reads "I answer".
 */
export function meaningOf(subject: string, fields: JsonObject): string {
  switch (subject) {
    case 'alertResponse':
    case 'ward/alerts.acknowledge':
      return lookUp(answers, fields.response) ?? 'I answer'
    case 'orderEvent':
      return lookUp(orderSteps, fields.status) ?? 'I report on this order'
    default:
      return lookUp(meanings, subject) ?? 'I sign'
  }
}

const lookUp = (table: Readonly<Record<string, string>>, key: Json | undefined): string | undefined =>
  typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined
