// Subscriptions: what happened, to everyone who may see it, as soon as it is final, or as soon as it was
// computed here when agreement is late.
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import type { ApiEvent, NodeStatus, RecordJson, Session } from '../api/node-port.js'
import { alertViews, orderViews } from '../api/views.js'
import type { CommitReply, LedgerEntry } from '../executor/messages.js'
import type { NodeReads } from './node-reads.js'
import type { TentativeRecord } from './tentative-records.js'

interface Subscriber {
  session: Session | undefined
  listener: (event: ApiEvent) => void
}

const alertKinds = ['alert', 'alertResponse']
const orderKinds = ['order', 'orderEvent']

export class NodeFeed {
  private readonly subscribers = new Set<Subscriber>()

  subscribe(session: Session | undefined, listener: (event: ApiEvent) => void): () => void {
    const subscriber = { session, listener }
    this.subscribers.add(subscriber)
    return () => void this.subscribers.delete(subscriber)
  }

  status(status: NodeStatus): void {
    for (const { listener } of this.subscribers) listener({ type: 'status', status })
  }

  signedOut(token: string): void {
    for (const subscriber of this.subscribers) {
      if (subscriber.session?.token !== token) continue
      this.subscribers.delete(subscriber)
      subscriber.listener({ type: 'signedOut' })
    }
  }

  /** Tells each subscriber about a final block: the block, then the records that this person may read. */
  async commit(commit: CommitReply, reads: NodeReads): Promise<void> {
    const pin = {
      height: commit.height,
      blockTime: commit.blockTime,
      stateRoot: bytesToHex(commit.stateRoot),
    }
    for (const subscriber of [...this.subscribers]) {
      subscriber.listener({ type: 'block', ...pin })
      for (const alias of commit.switched) subscriber.listener({ type: 'page', alias, address: '' })
      if (!subscriber.session) continue
      const reader = hexToBytes(subscriber.session.person.entity) ?? new Uint8Array(32)
      await this.tell(subscriber, reader, commit.records, reads)
    }
  }

  /** Tells what was computed here and is not agreed yet, or is taken back, to those who may read it. */
  async tentative(records: readonly TentativeRecord[], reads: NodeReads): Promise<void> {
    for (const subscriber of [...this.subscribers]) {
      if (!subscriber.session) continue
      const reader = hexToBytes(subscriber.session.person.entity) ?? new Uint8Array(32)
      for (const { entry, finality } of records) {
        const permission = await reads.mayRead(reader, entry.patient, entry.kind)
        const record = permission.allowed ? reads.json(entry, finality) : undefined
        if (!record || !this.subscribers.has(subscriber)) continue
        subscriber.listener({ type: 'record', record })
        for (const alert of alertViews([record])) subscriber.listener({ type: 'alert', alert })
        for (const order of orderViews([record])) subscriber.listener({ type: 'order', order })
      }
    }
  }

  /** Each list of a patient is read once for a block, however many records it brought. */
  private async tell(
    subscriber: Subscriber,
    reader: Uint8Array,
    records: readonly LedgerEntry[],
    reads: NodeReads,
  ): Promise<void> {
    const seen: RecordJson[] = []
    for (const record of records) {
      const permission = await reads.mayRead(reader, record.patient, record.kind)
      const json = permission.allowed ? reads.json(record) : undefined
      if (!json) continue
      if (!this.subscribers.has(subscriber)) return
      subscriber.listener({ type: 'record', record: json })
      seen.push(json)
    }
    const alerts = seen.filter((record) => alertKinds.includes(record.kind))
    for (const patient of patientsOf(alerts)) {
      const ids = answeredIds(alerts)
      const views = await reads.alerts(reader, patient)
      for (const alert of views.ok ? views.value.alerts : []) {
        if (ids.has(alert.id)) subscriber.listener({ type: 'alert', alert })
      }
    }
    const orders = seen.filter((record) => orderKinds.includes(record.kind))
    for (const patient of patientsOf(orders)) {
      const ids = answeredIds(orders)
      const views = await reads.orders(reader, patient)
      for (const order of views.ok ? views.value.orders : []) {
        if (ids.has(order.id)) subscriber.listener({ type: 'order', order })
      }
    }
    const changed = patientsOf([...alerts, ...seen.filter((record) => record.kind === 'admission')])
    if (changed.size === 0) return
    const views = await reads.patients(reader)
    for (const patient of views.ok ? views.value.patients : []) {
      if (changed.has(patient.patient)) subscriber.listener({ type: 'patient', patient })
    }
  }
}

const patientsOf = (records: readonly RecordJson[]): Set<string> =>
  new Set(records.map((record) => record.patient))

/** The alert or order that each record is, or answers. */
const answeredIds = (records: readonly RecordJson[]): Set<string> =>
  new Set(records.flatMap((record) => [record.id, record.supersedes ?? record.id]))
