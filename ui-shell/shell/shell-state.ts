// Everything that the shell knows, in one value; and the controller that changes it. Screens only draw it.
// Patient data is here only while someone is signed in: `signedOut` starts from an empty value.
import type {
  AlertView,
  EventView,
  PatientView,
  PersonView,
  SealedStatusView,
  StatusView,
} from '../channel/views.js'
import type { Answer, Refusal, ShellApi } from './api.js'

export interface Notice {
  tone: 'good' | 'bad'
  text: string
  code: string
}

export interface ShellState {
  phase: 'starting' | 'sealed' | 'signedOut' | 'signedIn'
  status: (SealedStatusView & Partial<StatusView>) | undefined
  isReachable: boolean
  isUnlocking: boolean
  people: PersonView[]
  person: PersonView | undefined
  expires: number
  patients: PatientView[]
  alerts: AlertView[]
  patient: PatientView | undefined
  pages: { alias: string; title: string; version: string }[]
  pageAlias: string
  /** Grows whenever the frame must be built anew: another patient, another version of the page. */
  frameKey: number
  notice: Notice | undefined
  /** Grows when data of the open patient changed; frames listen to it. */
  changes: { records: number; alerts: number; orders: number }
}

export interface ShellController {
  state: () => ShellState
  subscribe(listener: () => void): () => void
  start: () => void
  unlock: (password: string) => Promise<Refusal | undefined>
  signIn: (person: string, password: string) => Promise<Refusal | undefined>
  signOut: () => void
  extend: () => Promise<void>
  openPatient: (patient: string | undefined) => void
  openPage: (alias: string) => void
  notify: (notice: Notice | undefined) => void
  refresh: () => Promise<void>
}

/** The page that the launcher opens for a patient unless another is chosen. */
export const defaultPage = 'ward/chart'
/** How often an idle page asks how the node is: sealed or signed out there is no subscription. */
const pollMs = 1_000
const retryMs = 1_000

const emptyState = (): ShellState => ({
  phase: 'starting',
  status: undefined,
  isReachable: true,
  isUnlocking: false,
  people: [],
  person: undefined,
  expires: 0,
  patients: [],
  alerts: [],
  patient: undefined,
  pages: [],
  pageAlias: defaultPage,
  frameKey: 0,
  notice: undefined,
  changes: { records: 0, alerts: 0, orders: 0 },
})

export function createController(api: ShellApi): ShellController {
  const controller = new Controller(api)
  return {
    state: () => controller.state,
    subscribe: (listener) => controller.listen(listener),
    start: () => void controller.poll(),
    unlock: (password) => controller.unlock(password),
    signIn: (person, password) => controller.signIn(person, password),
    signOut: () => controller.leave(undefined),
    extend: () => controller.extend(),
    openPatient: (patient) => controller.openPatient(patient),
    openPage: (alias) => controller.openPage(alias),
    notify: (notice) => controller.change({ notice }),
    refresh: () => controller.refresh(),
  }
}

class Controller {
  state = emptyState()
  private readonly listeners = new Set<() => void>()
  private stopEvents: (() => void) | undefined
  private refreshing: Promise<void> | undefined
  private isRefreshAsked = false
  /** Grows at every sign-in and sign-out: late answers for a former person are dropped. */
  private era = 0

  constructor(private readonly api: ShellApi) {}

  listen(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  change(part: Partial<ShellState>): void {
    this.state = { ...this.state, ...part }
    for (const listener of this.listeners) listener()
  }

  async poll(): Promise<void> {
    if (this.state.phase !== 'signedIn') {
      const era = this.era
      const status = await this.api.status()
      if (era === this.era) await this.onStatus(status)
    }
    setTimeout(() => void this.poll(), pollMs)
  }

  private async onStatus(status: Answer<SealedStatusView & Partial<StatusView>>): Promise<void> {
    if (!status.ok) return this.change({ isReachable: false })
    const isSealed = status.value.sealed
    if (isSealed)
      return this.change({ isReachable: true, status: status.value, phase: 'sealed', people: [] })
    if (this.state.phase !== 'signedOut' || this.state.people.length === 0) {
      const people = await this.api.people()
      if (people.ok) this.change({ people: people.value.people })
    }
    // The unlock that runs in this page speaks for itself; do not jump ahead of its answer.
    if (!this.state.isUnlocking)
      this.change({ isReachable: true, status: status.value, phase: 'signedOut' })
  }

  async unlock(password: string): Promise<Refusal | undefined> {
    this.change({ isUnlocking: true, notice: undefined })
    const outcome = await this.api.unlock(password)
    this.change({ isUnlocking: false })
    if (!outcome.ok) return outcome
    await this.onStatus(await this.api.status())
    return undefined
  }

  async signIn(person: string, password: string): Promise<Refusal | undefined> {
    const session = await this.api.signIn(person, password)
    if (!session.ok) return session
    this.era += 1
    this.change({
      ...emptyState(),
      status: this.state.status,
      people: this.state.people,
      phase: 'signedIn',
      person: session.value.person,
      expires: session.value.expires,
    })
    this.listenToNode()
    await this.refresh()
    const pages = await this.api.pages()
    if (pages.ok && this.state.phase === 'signedIn') this.change({ pages: pages.value.pages })
    return undefined
  }

  /** Ends the session here at once; nothing of it stays in the state. */
  leave(notice: Notice | undefined): void {
    this.era += 1
    this.stopEvents?.()
    this.stopEvents = undefined
    const { status, people } = this.state
    this.change({ ...emptyState(), status, people, phase: 'signedOut', notice })
    void this.api.signOut()
  }

  async extend(): Promise<void> {
    const session = await this.api.extend()
    if (session.ok) return this.change({ expires: session.value.expires })
    if (session.code !== 'NODE_UNREACHABLE') this.leave(signedOutNotice)
  }

  openPatient(patient: string | undefined): void {
    const found = this.state.patients.find((candidate) => candidate.patient === patient)
    const frameKey = this.state.frameKey + 1
    this.change({ patient: found, notice: undefined, pageAlias: defaultPage, frameKey })
  }

  openPage(pageAlias: string): void {
    this.change({ pageAlias, notice: undefined, frameKey: this.state.frameKey + 1 })
  }

  private listenToNode(): void {
    const era = this.era
    this.stopEvents = this.api.subscribe({
      onReady: () => this.change({ isReachable: true }),
      onEvent: (event) => {
        if (era === this.era) this.onEvent(event)
      },
      onEnd: (code) => {
        if (era === this.era) this.onEventsEnd(code)
      },
    })
  }

  private onEventsEnd(code: string): void {
    this.stopEvents = undefined
    if (code === 'SESSION_REQUIRED' || code === 'NODE_SEALED') return this.leave(signedOutNotice)
    // The node restarts or is busy: keep what is on screen, say so loudly, and try again.
    const era = this.era
    this.change({ isReachable: false })
    setTimeout(() => {
      if (era !== this.era) return
      this.listenToNode()
      void this.refresh()
    }, retryMs)
  }

  private onEvent(event: EventView): void {
    const { patient, changes } = this.state
    switch (event.type) {
      case 'block': {
        const { height, blockTime, stateRoot } = event
        if (this.state.status)
          this.change({ status: { ...this.state.status, height, blockTime, stateRoot } })
        return
      }
      case 'status':
        return this.change({ status: event.status, isReachable: true })
      case 'alert': {
        const others = this.state.alerts.filter((alert) => alert.id !== event.alert.id)
        const isHere = event.alert.patient === patient?.patient
        const alerts = isHere ? changes.alerts + 1 : changes.alerts
        this.change({ alerts: [event.alert, ...others], changes: { ...changes, alerts } })
        // Counts in list and banner follow from the node's own words.
        return void this.refresh()
      }
      case 'order':
        if (event.order.patient !== patient?.patient) return
        return this.change({ changes: { ...changes, orders: changes.orders + 1 } })
      case 'record':
        if (event.record.patient !== patient?.patient) return
        return this.change({ changes: { ...changes, records: changes.records + 1 } })
      case 'patient':
        return void this.refresh()
      case 'page':
        // Another version is active: the running frame is of the old one.
        if (event.alias === this.state.pageAlias) this.openPage(event.alias)
        return
      case 'signedOut':
        return this.leave(signedOutNotice)
    }
  }

  /** Reads patients and alerts anew; calls that come while one runs are answered by one more run. */
  async refresh(): Promise<void> {
    this.isRefreshAsked = true
    this.refreshing ??= this.runRefresh().finally(() => {
      this.refreshing = undefined
    })
    return this.refreshing
  }

  private async runRefresh(): Promise<void> {
    while (this.isRefreshAsked) {
      this.isRefreshAsked = false
      const era = this.era
      const [patients, alerts, status] = await Promise.all([
        this.api.patients(),
        this.api.alerts(undefined, 'shell'),
        this.api.status(),
      ])
      if (era !== this.era) return
      if (!patients.ok && patients.code === 'SESSION_REQUIRED') return this.leave(signedOutNotice)
      const part: Partial<ShellState> = { isReachable: patients.ok }
      if (status.ok) part.status = status.value
      if (alerts.ok) part.alerts = alerts.value.alerts
      if (patients.ok) {
        part.patients = patients.value.patients
        const open = this.state.patient?.patient
        part.patient = patients.value.patients.find((candidate) => candidate.patient === open)
      } else {
        part.notice = noticeOf(patients)
      }
      this.change(part)
    }
  }
}

const signedOutNotice: Notice = {
  tone: 'bad',
  text: 'The session has ended and everything was cleared from this screen. Nothing was lost. Sign in again.',
  code: 'SESSION_REQUIRED',
}

export function noticeOf(refusal: Refusal): Notice {
  const detail = refusal.detail === '' ? '' : ` (${refusal.detail})`
  return { tone: 'bad', text: refusal.sentence + detail, code: refusal.code }
}
