// What the story proved: every node at one state, the alert and its orders on each of them.
import type { AlertView, OrderView } from '../../host/api/node-port.js'
import { must } from '../ward/connect.js'
import type { SceneTimes } from './scene.js'
import { patienceMs, type StoryNetwork } from './network.js'

export interface Verdict {
  ok: boolean
  nodes: { name: string; role: string; height: number; stateRoot: string }[]
  alerts: {
    rule: string
    ruleVersion: string
    patient: string
    severity: number
    branch: string
    summary: string
    basis: string[]
  }[]
  orders: {
    item: string
    display: string
    category: string
    status: string
    rule: string
    alert: string | null
  }[]
  latencyMs: { final: number; alertOnObserver: number }
  /** The leader that `--kill-leader` killed; empty otherwise. */
  killed: string
  /** Words for what did not hold; empty when ok. */
  problems: string[]
}

export async function judge(
  network: StoryNetwork,
  patient: string,
  times: SceneTimes,
  killed: string,
): Promise<Verdict> {
  const problems: string[] = []
  const statuses = await network.converge(patienceMs)
  let first: { alerts: AlertView[]; orders: OrderView[] } | undefined
  for (const { node } of statuses) {
    const nurse = await network.signIn(node.name, 'nurse')
    const { alerts } = must(await nurse.alerts(patient))
    const { orders } = must(await nurse.orders(patient))
    await nurse.signOut()
    first ??= { alerts, orders }
    if (!alerts.some((alert) => alert.rule === 'ward/sepsis-screen'))
      problems.push(`${node.name}: no sepsis alert`)
    if (!orders.some((order) => order.rule === 'ward/sepsis-screen'))
      problems.push(`${node.name}: no orders`)
    const same = JSON.stringify([first.alerts, first.orders]) === JSON.stringify([alerts, orders])
    if (!same) problems.push(`${node.name}: other alerts or orders than ${statuses[0].node.name}`)
  }
  return {
    ok: problems.length === 0,
    nodes: statuses.map(({ node, status }) => {
      return { name: node.name, role: node.role, height: status.height, stateRoot: status.stateRoot }
    }),
    alerts: (first?.alerts ?? []).map(({ rule, ruleVersion, severity, branch, summary, basis }) => {
      return { rule, ruleVersion, patient, severity, branch, summary, basis }
    }),
    orders: (first?.orders ?? []).map(({ item, display, category, status, rule, alert }) => {
      return { item, display, category, status, rule, alert }
    }),
    latencyMs: { final: times.final - times.sent, alertOnObserver: times.alertOnObserver - times.sent },
    killed,
    problems,
  }
}
