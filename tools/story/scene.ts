// Lisa Jones, 29, the day after gallbladder surgery: what happens, in order, each step by the one whose
// step it is.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { bytesToHex, entityIdOf, recordKind } from '../../runtime/protocol/index.js'
import { sha256 } from '../../host/keys/crypto.js'
import { readCard } from '../../host/founding/cards.js'
import type { ApiClient } from '../../host/api/client.js'
import type { AlertView, ApiEvent, OrderView, Proposal } from '../../host/api/node-port.js'
import { sendMllp } from '../../host/gateways/hl7/mllp-client.js'
import {
  buildAdmission,
  buildObservations,
  lisaFirstReadings,
  lisaFurtherReadings,
  lisaJones,
} from '../../host/gateways/hl7/sample-messages.js'
import { CommandError } from '../ward/command-error.js'
import { must } from '../ward/connect.js'
import { appendGrant, signed } from './deploy.js'
import { patienceMs, type StoryNetwork } from './network.js'

export const vitalCodes = ['8310-5', '8480-6', '8462-4', '9279-1', '8867-4', '59408-5', '3151-8', '80288-4']

export interface SceneTimes {
  sent: number
  final: number
  alertOnObserver: number
}

export type Say = (text: string) => void

/** Listens at the workstation as the nurse and remembers when each thing was seen. */
export class Watcher {
  readonly alerts = new Map<string, { alert: AlertView; seen: number }>()
  readonly orders = new Map<string, OrderView>()
  private stop: () => void = () => undefined

  static async start(client: ApiClient): Promise<Watcher> {
    const watcher = new Watcher()
    watcher.stop = await client.subscribe((event) => watcher.onEvent(event))
    return watcher
  }

  private onEvent(event: ApiEvent): void {
    if (event.type === 'order') this.orders.set(event.order.id, event.order)
    // What is computed before agreement (tentative) does not count: figures are of final alerts.
    if (event.type !== 'alert' || event.alert.finality !== 'final') return
    if (this.alerts.has(event.alert.id)) return
    this.alerts.set(event.alert.id, { alert: event.alert, seen: Date.now() })
  }

  close(): void {
    this.stop()
  }
}

export class Scene {
  private controlNumber = 0
  private readonly patient = lisaJones(Date.now())

  constructor(
    private readonly network: StoryNetwork,
    private readonly say: Say,
  ) {}

  /** The administrator lets the ADT source admit; it may do nothing else. */
  async grantAdmissions(): Promise<void> {
    const admin = await this.network.signIn('workstation', 'admin')
    const entity = this.sourceEntity('adt')
    await this.grant(admin, { entity, kind: recordKind.admission, codes: [], patient: null })
    await this.grant(admin, { entity, kind: recordKind.sourceMessage, codes: [], patient: null })
    await admin.signOut()
  }

  /** ADT^A01 over MLLP. Returns when the gateway says AA: the admission is final. */
  async admit(): Promise<void> {
    const message = buildAdmission(this.envelope('ADT1', 'WARDCHAIN'), this.patient)
    await this.send('adt', message)
  }

  async patientId(nurse: ApiClient): Promise<string> {
    let found = ''
    await this.network.until('the admission is on the workstation', patienceMs, async () => {
      const { patients } = must(await nurse.patients())
      found = patients.find((view) => view.family === this.patient.family)?.patient ?? ''
      return found !== ''
    })
    return found
  }

  /** The monitor at bed 412 may append exactly these codes, for this patient. */
  async grantMonitor(patient: string): Promise<void> {
    const admin = await this.network.signIn('workstation', 'admin')
    const entity = this.sourceEntity('monitor-412')
    await this.grant(admin, { entity, kind: recordKind.observation, codes: vitalCodes, patient })
    await this.grant(admin, { entity, kind: recordKind.sourceMessage, codes: [], patient })
    await admin.signOut()
  }

  private async grant(
    admin: ApiClient,
    grant: { entity: string; kind: number; codes: string[]; patient: string | null },
  ): Promise<void> {
    const id = bytesToHex(sha256(new TextEncoder().encode(JSON.stringify(grant)))).slice(0, 32)
    await signed(admin, appendGrant({ id, ...grant }), this.network.person('admin').password)
  }

  /** The nurse's own key signs what the nurse saw. */
  async recordWound(nurse: ApiClient, patient: string): Promise<void> {
    const body = {
      concepts: ['redness', 'purulent-drainage'],
      site: 'surgical wound, right upper abdomen',
      text: 'Redness and purulent drainage at the surgical wound.',
    }
    const proposal: Proposal = {
      type: 'append',
      records: [{ kind: 'finding', patient, code: 'wound-assessment', body }],
    }
    await signed(nurse, proposal, this.network.person('nurse').password)
  }

  /**
   * 101.5 F and 80/60, then the wait for the alert on the workstation, which is another computer than the
   * gateway.
   */
  async firstReadings(watcher: Watcher): Promise<SceneTimes> {
    const message = buildObservations(this.envelope('MON412', 'WARDCHAIN'), this.patient, lisaFirstReadings)
    const sent = Date.now()
    const answered = this.send('monitor-412', message).then(() => Date.now())
    const seen = this.alertBy(watcher, 'ward/sepsis-screen')
    const [final, alertOnObserver] = await Promise.all([answered, seen])
    return { sent, final, alertOnObserver }
  }

  async furtherReadings(watcher: Watcher): Promise<void> {
    const message = buildObservations(
      this.envelope('MON412', 'WARDCHAIN'),
      this.patient,
      lisaFurtherReadings,
    )
    await this.send('monitor-412', message)
    await this.alertBy(watcher, 'ward/deterioration', (alert) => alert.severity === 3)
  }

  /** Plays a file of HL7 messages, one after the other, as its sender would. */
  async playFile(file: string): Promise<void> {
    const text = readFileSync(file, 'latin1').replace(/\r?\n/g, '\r')
    const messages = text
      .split(/(?=^MSH)/m)
      .flatMap((part) => part.split(/(?<=\r)(?=MSH)/))
      .filter((part) => part.trim())
    for (const message of messages) {
      const source = /^MSH.{5}[^\r]*\|ADT\^/.test(message) ? 'adt' : 'monitor-412'
      const answer = await this.exchange(source, new Uint8Array(Buffer.from(message, 'latin1')))
      this.say(`   your message, as ${source}: ${answer.replaceAll('\r', ' ').trim()}`)
    }
  }

  private async alertBy(
    watcher: Watcher,
    rule: string,
    wanted: (alert: AlertView) => boolean = () => true,
  ): Promise<number> {
    let seen = 0
    await this.network.until(`an alert by ${rule} on the workstation`, patienceMs, async () => {
      for (const entry of watcher.alerts.values()) {
        if (entry.alert.rule === rule && wanted(entry.alert)) seen = entry.seen
      }
      return Promise.resolve(seen > 0)
    })
    return seen
  }

  /**
   * Sends until the gateway says AA. AE "try again" (no quorum for a moment) is sent again with the same
   * control id.
   */
  private async send(source: string, message: Uint8Array): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.exchange(source, message)
      if (/^MSA\|AA\|/m.test(answer.replaceAll('\r', '\n'))) return
      if (attempt >= 4 || !/\bLATE\b|NOT_FINAL|again/i.test(answer)) {
        throw new CommandError('HL7_REFUSED', `${source}: ${answer.replaceAll('\r', ' ')}`)
      }
    }
  }

  private async exchange(source: string, message: Uint8Array): Promise<string> {
    const { port } = this.source(source)
    const answer = await sendMllp('127.0.0.1', port, message, { timeoutMs: patienceMs })
    return Buffer.from(answer).toString('utf8')
  }

  private envelope(application: string, facility: string) {
    this.controlNumber += 1
    const controlId = `WC${Date.now()}${this.controlNumber}`
    return { controlId, sender: { application, facility }, nowMs: Date.now() }
  }

  private source(name: string): { name: string; port: number } {
    const source = this.network.node('gateway').sources.find((candidate) => candidate.name === name)
    if (!source) throw new CommandError('SOURCE_UNKNOWN', name)
    return source
  }

  private sourceEntity(name: string): string {
    const card = readCard(path.join(this.network.processes.folderOf('gateway'), 'card.json'))
    const source =
      card.type === 'node' ? card.sources.find((candidate) => candidate.name === name) : undefined
    if (!source) throw new CommandError('SOURCE_UNKNOWN', name)
    return bytesToHex(entityIdOf(sha256, source.publicKey))
  }
}
