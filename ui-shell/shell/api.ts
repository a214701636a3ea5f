// The shell's way to the node: same origin, page token and bearer token in headers, passwords as bytes in
// POST bodies. The bearer token lives in this closure and dies with it: no cookie, no storage.
import type {
  AlertView,
  EventView,
  OrderView,
  PageView,
  PatientView,
  PersonView,
  PinnedView,
  PreparedView,
  ReceiptView,
  RecordView,
  SealedStatusView,
  StatusView,
} from '../channel/views.js'

export type Refusal = { ok: false; code: string; sentence: string; detail: string }
export type Answer<T> = { ok: true; value: T } | Refusal

export interface SessionView {
  person: PersonView
  expires: number
}

export interface ShellApi {
  status: () => Promise<Answer<SealedStatusView & Partial<StatusView>>>
  unlock: (password: string) => Promise<Answer<unknown>>
  people(): Promise<Answer<{ people: PersonView[] }>>
  signIn: (person: string, password: string) => Promise<Answer<SessionView>>
  extend: () => Promise<Answer<SessionView>>
  /** Forgets the token at once, whatever the node answers. */
  signOut: () => Promise<void>
  prepare: (proposal: unknown) => Promise<Answer<PreparedView>>
  sign(prepared: string, password: string): Promise<Answer<{ receipt: ReceiptView }>>
  patients(): Promise<Answer<PinnedView & { patients: PatientView[] }>>
  records(
    query: Record<string, string>,
    application: string,
  ): Promise<Answer<PinnedView & { records: RecordView[] }>>
  alerts(
    patient: string | undefined,
    application: string,
  ): Promise<Answer<PinnedView & { alerts: AlertView[] }>>
  orders(patient: string, application: string): Promise<Answer<PinnedView & { orders: OrderView[] }>>
  pages(): Promise<Answer<{ pages: { alias: string; title: string; version: string }[] }>>
  page(alias: string): Promise<Answer<PinnedView & { page: PageView & { htmlBase64: string } }>>
  /** Returns the way to stop. `onEnd` is called once, when the stream ends by other means than `stop`. */
  subscribe(handlers: {
    onEvent: (event: EventView) => void
    onReady: () => void
    onEnd: (code: string) => void
  }): () => void
}

/**
 * `pageToken`: from the page's own meta element. `onStale` is called when the node no longer takes it: it
 * was started anew, and only a fresh page carries its new token.
 */
export function createShellApi(pageToken: string, onStale: () => void): ShellApi {
  let token: string | undefined
  const call = async <T>(path: string, options?: { method: 'POST'; body?: BodyInit; type?: string }) => {
    const headers: Record<string, string> = { 'x-wardchain-page': pageToken }
    if (token !== undefined) headers.authorization = `Bearer ${token}`
    if (options?.type !== undefined) headers['content-type'] = options.type
    const answer = await answerOf<T>(path, {
      method: options?.method ?? 'GET',
      headers,
      body: options?.body,
      cache: 'no-store',
    })
    if (!answer.ok && answer.code === 'ORIGIN_REFUSED') onStale()
    return answer
  }
  const post = <T>(path: string) => call<T>(path, { method: 'POST' })
  const postPassword = async <T>(path: string, password: string): Promise<Answer<T>> => {
    if (password === '') return post<T>(path)
    const bytes = new TextEncoder().encode(password)
    try {
      return await call<T>(path, { method: 'POST', body: bytes, type: 'application/octet-stream' })
    } finally {
      bytes.fill(0)
    }
  }
  return {
    status: () => call('/v1/status'),
    unlock: (password) => postPassword('/v1/unlock', password),
    people: () => call('/v1/people'),
    signIn: async (person, password) => {
      const session = await postPassword<SessionView & { token: string }>(`/v1/sign-in/${person}`, password)
      if (!session.ok) return session
      token = session.value.token
      return { ok: true, value: { person: session.value.person, expires: session.value.expires } }
    },
    extend: () => post('/v1/session/extend'),
    signOut: async () => {
      const leaving = post('/v1/sign-out')
      token = undefined
      await leaving
    },
    prepare: (proposal) =>
      call('/v1/prepare', { method: 'POST', body: JSON.stringify(proposal), type: 'application/json' }),
    sign: (prepared, password) => postPassword(`/v1/sign/${prepared}`, password),
    patients: () => call('/v1/patients?application=shell'),
    records: (query, application) => call(`/v1/records?${queryOf({ ...query, application })}`),
    alerts: (patient, application) =>
      call(`/v1/alerts?${queryOf(patient === undefined ? { application } : { patient, application })}`),
    orders: (patient, application) => call(`/v1/orders?${queryOf({ patient, application })}`),
    pages: () => call('/v1/pages'),
    page: (alias) => call(`/v1/page?${queryOf({ alias })}`),
    subscribe: (handlers) => subscribe({ token, page: pageToken }, handlers),
  }
}

const queryOf = (parameters: Record<string, string>): string => new URLSearchParams(parameters).toString()

/** Shown when nothing answers: the node process is gone or restarting. */
const unreachable: Refusal = {
  ok: false,
  code: 'NODE_UNREACHABLE',
  sentence: 'The node on this computer does not answer. Nothing was lost; this page tries again by itself.',
  detail: '',
}

async function answerOf<T>(path: string, init: RequestInit): Promise<Answer<T>> {
  try {
    const response = await fetch(path, init)
    const value = (await response.json()) as T & { code?: string; sentence?: string; detail?: string }
    if (response.status === 200) return { ok: true, value }
    return {
      ok: false,
      code: value.code ?? 'INTERNAL',
      sentence: value.sentence ?? 'The node answered in a way that this page does not know.',
      detail: value.detail ?? '',
    }
  } catch {
    return unreachable
  }
}

function subscribe(
  hello: { token: string | undefined; page: string },
  handlers: { onEvent: (event: EventView) => void; onReady: () => void; onEnd: (code: string) => void },
): () => void {
  const socket = new WebSocket(`ws://${location.host}/v1/subscribe`)
  let isStopped = false
  socket.onopen = () => socket.send(JSON.stringify(hello))
  socket.onmessage = (message: MessageEvent<string>) => {
    const event = JSON.parse(message.data) as EventView | { type: 'ready' } | { type: 'refused' }
    if (isStopped || event.type === 'refused') return
    if (event.type === 'ready') handlers.onReady()
    else handlers.onEvent(event)
  }
  socket.onclose = (event) => {
    if (!isStopped) handlers.onEnd(event.reason)
  }
  return () => {
    isStopped = true
    socket.close()
  }
}
