// The cage: one sandboxed frame for one page and one patient, and the channel through which it may ask
// for data. The frame holds a handle, never a subject; the person's permissions are the node's business
// on every call.
import {
  answerBytesMax,
  helloMessage,
  parseFrameMessage,
  pingMsMax,
  portMessage,
  requestBytesMax,
  requestsInFlightMax,
  requestsPerSecondMax,
  type FrameContext,
  type FrameProposal,
  type FrameRequest,
  type ShellAnswer,
  type ShellEvent,
} from '../channel/messages.js'
import type { PageView, PatientView, PersonView } from '../channel/views.js'
import type { Answer, ShellApi } from './api.js'

export interface FrameHostOptions {
  container: HTMLElement
  api: ShellApi
  alias: string
  patient: PatientView
  person: PersonView
  /** Height and time of the last block that this screen knows. */
  tip(): { height: number; blockTime: number; isReachable: boolean }
  /** Draws the signing dialog; resolves with what became of it. */
  propose: (proposal: unknown, application: string) => Promise<Answer<unknown>>
  /** The person did something inside the frame. */
  onActive: () => void
  onReady: () => void
  /** The frame was removed; the words are for people. */
  onRemoved: (reason: string) => void
}

export interface FrameHost {
  changed: (what: 'records' | 'alerts' | 'orders') => void
  tick: () => void
  close: () => void
}

/** Loads the page, checks its bytes against the chain's hash, then frames it. Returns at once. */
export function openFrame(options: FrameHostOptions): FrameHost {
  const cage = new Cage(options)
  void cage.load()
  return {
    changed: (what) => cage.send({ event: 'changed', what }),
    tick: () => cage.tick(),
    close: () => cage.close(),
  }
}

/** Between pings; a hidden window is not pinged, for its timers sleep. */
const pingEveryMs = 5_000
/** A frame that has not said hello by then is broken. */
const helloMsMax = 10_000

class Cage {
  private frame: HTMLIFrameElement | undefined
  private port: MessagePort | undefined
  private page: PageView | undefined
  private isClosed = false
  private loadCount = 0
  private inFlight = 0
  private windowStart = 0
  private windowCount = 0
  private pingCount = 0
  private pongTimer: ReturnType<typeof setTimeout> | undefined
  private readonly timers: ReturnType<typeof setInterval>[] = []
  /** Names the patient for this frame alone, and dies with it. */
  private readonly handle = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')

  constructor(private readonly options: FrameHostOptions) {}

  async load(): Promise<void> {
    const answer = await this.options.api.page(this.options.alias)
    if (this.isClosed) return
    if (!answer.ok) return this.remove(answer.sentence)
    const { htmlBase64, ...page } = answer.value.page
    const bytes = Uint8Array.from(atob(htmlBase64), (character) => character.charCodeAt(0))
    if ((await sha256Hex(bytes)) !== page.hash) {
      return this.remove('The page is not the one that the chain names. It was not opened.')
    }
    if (this.isClosed) return
    this.page = page
    this.mount(page)
  }

  private mount(page: PageView): void {
    const frame = document.createElement('iframe')
    frame.setAttribute('sandbox', 'allow-scripts')
    frame.setAttribute('allow', '')
    frame.setAttribute('referrerpolicy', 'no-referrer')
    frame.setAttribute('credentialless', '')
    frame.title = page.title
    frame.className = 'application'
    // A second load means that the document navigated itself: whatever is there now is not what was
    // checked.
    frame.addEventListener('load', () => {
      this.loadCount += 1
      if (this.loadCount > 1) this.remove('The page tried to leave its place. It was closed.')
    })
    window.addEventListener('message', this.onHello)
    this.timers.push(setTimeout(() => this.remove('The page did not start. It was closed.'), helloMsMax))
    frame.src = `/app/${page.hash}`
    this.frame = frame
    this.options.container.append(frame)
  }

  /** Only this frame's window, only the opaque origin, only once. */
  private readonly onHello = (event: MessageEvent): void => {
    if (event.source !== this.frame?.contentWindow || event.origin !== 'null') return
    const hello = event.data as { wardchain?: unknown; version?: unknown } | null
    if (hello?.wardchain !== helloMessage.wardchain || hello.version !== helloMessage.version) return
    window.removeEventListener('message', this.onHello)
    const channel = new MessageChannel()
    this.port = channel.port1
    this.port.onmessage = (message: MessageEvent) => this.onMessage(message.data)
    // An opaque origin has no name to address, hence '*'; the port goes to this very window.
    this.frame?.contentWindow?.postMessage(portMessage, '*', [channel.port2])
    for (const timer of this.timers.splice(0)) clearTimeout(timer)
    this.timers.push(setInterval(() => this.ping(), pingEveryMs))
    this.options.onReady()
  }

  private onMessage(value: unknown): void {
    if (this.isClosed) return
    if (!this.admit(value)) return this.remove('The page sent more than it may. It was closed.')
    const message = parseFrameMessage(value)
    if (message === undefined) return this.remove('The page sent something that it may not. It was closed.')
    if ('pong' in message) {
      if (message.pong === this.pingCount) clearTimeout(this.pongTimer)
      return
    }
    if (this.inFlight >= requestsInFlightMax) {
      return this.answer(refusal(message.id, 'LIMIT_EXCEEDED', 'Too many questions at once. Ask again.'))
    }
    this.inFlight += 1
    void this.handleRequest(message)
      .then((answer) => this.answer(answer))
      .finally(() => {
        this.inFlight -= 1
      })
  }

  private admit(value: unknown): boolean {
    const now = performance.now()
    if (now - this.windowStart > 1_000) {
      this.windowStart = now
      this.windowCount = 0
    }
    this.windowCount += 1
    return this.windowCount <= requestsPerSecondMax && jsonLength(value) <= requestBytesMax
  }

  private async handleRequest(request: FrameRequest): Promise<ShellAnswer> {
    const { api, patient, propose } = this.options
    const { page } = this
    if (page === undefined) return refusal(request.id, 'NOT_FOUND', 'There is no page.')
    if (request.method === 'context') return { id: request.id, ok: true, value: this.context(page) }
    if (request.method === 'active') {
      this.options.onActive()
      return { id: request.id, ok: true, value: null }
    }
    if (request.args.patient !== this.handle) {
      return refusal(request.id, 'NOT_FOUND', 'This patient is not open. Nothing was shown.')
    }
    const missing = missingCapability(request, page)
    if (missing !== undefined) {
      return refusal(request.id, 'READ_NOT_GRANTED', `The manifest of this page does not name ${missing}.`)
    }
    switch (request.method) {
      case 'records': {
        const { kind, code, limit } = request.args
        const query: Record<string, string> = { patient: patient.patient, kind, limit: limit.toString() }
        if (code !== undefined) query.code = code
        return this.answerOf(request.id, await api.records(query, page.alias))
      }
      case 'alerts':
        return this.answerOf(request.id, await api.alerts(patient.patient, page.alias))
      case 'orders':
        return this.answerOf(request.id, await api.orders(patient.patient, page.alias))
      case 'propose': {
        const proposal = withPatient(request.args.proposal, patient.patient, this.handle)
        return this.answerOf(request.id, await propose(proposal, page.title))
      }
    }
  }

  private context(page: PageView): FrameContext {
    const { person } = this.options
    const { height, blockTime } = this.options.tip()
    return {
      patient: this.handle,
      person: { label: person.label, roles: person.roles },
      application: page.alias,
      version: page.version,
      height,
      blockTime,
    }
  }

  /** What leaves for the frame names the patient by handle only. */
  private answerOf(id: number, answer: Answer<unknown>): ShellAnswer {
    if (!answer.ok) return refusal(id, answer.code, answer.sentence)
    const hidden = replaceText(answer.value, this.options.patient.patient, this.handle)
    if (jsonLength(hidden) > answerBytesMax) {
      return refusal(id, 'LIMIT_EXCEEDED', 'There is more than one answer holds. Ask for less.')
    }
    return { id, ok: true, value: hidden }
  }

  private answer(answer: ShellAnswer): void {
    this.port?.postMessage(answer)
  }

  send(event: ShellEvent): void {
    this.port?.postMessage(event)
  }

  tick(): void {
    const { height, blockTime, isReachable } = this.options.tip()
    this.send({ event: 'tick', height, blockTime, reachable: isReachable })
  }

  private ping(): void {
    if (document.visibilityState !== 'visible') return
    this.pingCount += 1
    this.send({ event: 'ping', count: this.pingCount })
    clearTimeout(this.pongTimer)
    this.pongTimer = setTimeout(
      () => this.remove('The page no longer answers. It was closed; open the patient again.'),
      pingMsMax,
    )
  }

  private remove(reason: string): void {
    if (this.isClosed) return
    this.close()
    this.options.onRemoved(reason)
  }

  close(): void {
    this.isClosed = true
    window.removeEventListener('message', this.onHello)
    for (const timer of this.timers) clearInterval(timer)
    clearTimeout(this.pongTimer)
    this.port?.close()
    this.frame?.remove()
    this.frame = undefined
  }
}

function refusal(id: number, code: string, sentence: string): ShellAnswer {
  return { id, ok: false, code, sentence }
}

/** What a page asks for beyond its approved manifest; undefined when all is granted. */
function missingCapability(
  request: Extract<FrameRequest, { method: 'records' | 'alerts' | 'orders' | 'propose' }>,
  page: PageView,
): string | undefined {
  const reads = (kind: string, code?: string): boolean =>
    page.reads.some(
      (selector) =>
        selector.kind === kind &&
        (selector.codes.length === 0 || (code !== undefined && selector.codes.includes(code))),
    )
  switch (request.method) {
    case 'records':
      return reads(request.args.kind, request.args.code) ? undefined : `reading of ${request.args.kind}`
    case 'alerts':
      return reads('alert') ? undefined : 'reading of alerts'
    case 'orders':
      return reads('order') ? undefined : 'reading of orders'
    case 'propose':
      return missingProposal(request.args.proposal, page)
  }
}

function missingProposal(proposal: FrameProposal, page: PageView): string | undefined {
  if (proposal.type === 'call') return page.calls.includes(proposal.target) ? undefined : proposal.target
  const unnamed = proposal.records.find(
    (record) =>
      !page.emits.some(
        (selector) =>
          selector.kind === record.kind &&
          (selector.codes.length === 0 || selector.codes.includes(record.code)),
      ),
  )
  return unnamed === undefined ? undefined : `records of kind ${unnamed.kind}`
}

/** The handle becomes the open patient: of every record, and wherever an argument holds it. */
function withPatient(proposal: FrameProposal, patient: string, handle: string): unknown {
  if (proposal.type === 'append') {
    return { ...proposal, records: proposal.records.map((record) => ({ ...record, patient })) }
  }
  return { ...proposal, args: replaceText(proposal.args, handle, patient) }
}

/** Replaces a text wherever it stands as a whole value. */
function replaceText(value: unknown, from: string, to: string): unknown {
  if (value === from) return to
  if (Array.isArray(value)) return value.map((item) => replaceText(item, from, to))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [name, replaceText(part, from, to)]),
  )
}

/** Length of a message as JSON; what cannot be JSON (cycles, big integers) is too long. */
function jsonLength(value: unknown): number {
  try {
    return JSON.stringify(value).length
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
