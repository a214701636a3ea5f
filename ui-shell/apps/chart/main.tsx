// The clinical page of one patient: alerts with their reasons, latest vital signs, findings, proposed
// orders. A bundle of the chain: it runs in the shell's cage and gets its data through the channel only.
import { render } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import type { AlertView, OrderView, RecordView } from '../../channel/views.js'
import { openChannel, type FrameChannel, type Told } from '../frame-channel.js'
import { AlertInbox } from './alert-inbox.js'
import { Findings } from './findings.js'
import { Orders } from './orders.js'
import { Vitals } from './vitals.js'

interface ChartData {
  alerts: AlertView[] | undefined
  orders: OrderView[] | undefined
  observations: RecordView[] | undefined
  findings: RecordView[] | undefined
  /** What could not be read, in words. */
  problems: Record<string, string>
}

/** A day of five-minute sets of seven is 2,016; the newest 200 hold what this page shows. */
const observationCount = 200
const findingCount = 20

const empty: ChartData = {
  alerts: undefined,
  orders: undefined,
  observations: undefined,
  findings: undefined,
  problems: {},
}

function Chart({ channel }: { channel: FrameChannel }) {
  const [data, setData] = useState<ChartData>(empty)
  const [now, setNow] = useState(Date.now())
  const [busy, setBusy] = useState('')
  const load = useCallback((what: 'records' | 'alerts' | 'orders') => {
    void read(channel, what, (part, problems) =>
      setData((before) => ({ ...before, ...part, problems: { ...before.problems, ...problems } })),
    )
  }, [])
  useEffect(() => {
    channel.onEvent((event) => {
      if (event.event === 'changed') load(event.what)
    })
    for (const what of ['alerts', 'records', 'orders'] as const) load(what)
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const sign = async (key: string, target: string, method: string, args: { [name: string]: unknown }) => {
    setBusy(key)
    await channel.propose({ type: 'call', target, method, args })
    setBusy('')
    load('alerts')
    load('orders')
    // The button may be gone by now: keep a keyboard user where the action was.
    focusCard(`card-${key}`)
  }
  const problems = Object.values(data.problems).filter((problem) => problem !== '')
  return (
    <div class="columns">
      <h1 class="unseen">Chart</h1>
      {problems.map((problem) => (
        <p class="problem" role="alert" key={problem}>
          {problem}
        </p>
      ))}
      <div class="column">
        <AlertInbox
          alerts={data.alerts}
          now={now}
          busy={busy}
          acknowledge={(alert) =>
            void sign(alert.id, 'ward/alerts', 'acknowledge', {
              alert: alert.id,
              response: 'acknowledged',
              reason: '',
            })
          }
        />
        <Findings findings={data.findings} now={now} />
      </div>
      <div class="column">
        <Vitals observations={data.observations} now={now} />
        <Orders
          orders={data.orders}
          now={now}
          busy={busy}
          sign={(order) =>
            void sign(order.id, 'ward/orders', 'sign', { order: order.id, meaning: 'I order' })
          }
        />
      </div>
    </div>
  )
}

/** At once, or as soon as the shell gives the focus back: while its dialog is open this page is inert. */
function focusCard(id: string): void {
  const focus = (): void => document.getElementById(id)?.focus()
  focus()
  window.addEventListener('focus', () => setTimeout(focus), { once: true })
  // The lists are read anew meanwhile, and a card that moves loses the focus; whoever went on is left alone.
  let looksLeft = focusLookCount
  const timer = setInterval(() => {
    const active = document.activeElement
    const isElsewhere = active !== null && active !== document.body && active.id !== id
    if (isElsewhere && document.hasFocus()) looksLeft = 0
    else if (active?.id !== id) focus()
    looksLeft -= 1
    if (looksLeft <= 0) clearInterval(timer)
  }, focusLookMs)
}

const focusLookMs = 100
const focusLookCount = 50

type Report = (part: Partial<ChartData>, problems: Record<string, string>) => void

async function read(
  channel: FrameChannel,
  what: 'records' | 'alerts' | 'orders',
  report: Report,
): Promise<void> {
  if (what === 'alerts') {
    const told = await channel.ask<{ alerts: AlertView[] }>('alerts')
    return report(told.ok ? { alerts: told.value.alerts } : {}, problemOf('alerts', told))
  }
  if (what === 'orders') {
    const told = await channel.ask<{ orders: OrderView[] }>('orders')
    return report(told.ok ? { orders: told.value.orders } : {}, problemOf('orders', told))
  }
  const [observations, findings] = await Promise.all([
    channel.askRecords<{ records: RecordView[] }>('observation', observationCount),
    channel.askRecords<{ records: RecordView[] }>('finding', findingCount),
  ])
  report(
    observations.ok ? { observations: observations.value.records } : {},
    problemOf('vital signs', observations),
  )
  report(findings.ok ? { findings: findings.value.records } : {}, problemOf('findings', findings))
}

/** Keyed by what was read, so that a later success takes the words away. */
const problemOf = (name: string, told: Told<unknown>): Record<string, string> => ({
  [name]: told.ok ? '' : `The ${name} could not be read. ${told.sentence}`,
})

function start(channel: FrameChannel): void {
  const root = document.getElementById('chart')
  if (root !== null) render(<Chart channel={channel} />, root)
}

void openChannel().then(start)
