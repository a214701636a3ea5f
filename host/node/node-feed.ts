// Subscriptions: what happened, to everyone who may see it, as soon as it is final.
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import type { ApiEvent, NodeStatus, Session } from '../api/node-port.js'
import type { CommitReply, LedgerEntry } from '../executor/messages.js'
import type { NodeReads } from './node-reads.js'

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
      for (const record of commit.records) await this.tell(subscriber, reader, record, reads)
    }
  }

  private async tell(
    subscriber: Subscriber,
    reader: Uint8Array,
    record: LedgerEntry,
    reads: NodeReads,
  ): Promise<void> {
    const permission = await reads.mayRead(reader, record.patient, record.kind)
    const json = permission.allowed ? reads.json(record) : undefined
    if (!json || !this.subscribers.has(subscriber)) return
    subscriber.listener({ type: 'record', record: json })
    if (alertKinds.includes(json.kind)) {
      const id = json.kind === 'alert' ? json.id : json.supersedes
      const alerts = await reads.alerts(reader, json.patient)
      const alert = alerts.ok ? alerts.value.alerts.find((view) => view.id === id) : undefined
      if (alert) subscriber.listener({ type: 'alert', alert })
    }
    if (orderKinds.includes(json.kind)) {
      const id = json.kind === 'order' ? json.id : json.supersedes
      const orders = await reads.orders(reader, json.patient)
      const order = orders.ok ? orders.value.orders.find((view) => view.id === id) : undefined
      if (order) subscriber.listener({ type: 'order', order })
    }
    if (json.kind === 'admission' || alertKinds.includes(json.kind)) {
      const patients = await reads.patients(reader)
      const patient = patients.ok
        ? patients.value.patients.find((view) => view.patient === json.patient)
        : undefined
      if (patient) subscriber.listener({ type: 'patient', patient })
    }
  }
}
