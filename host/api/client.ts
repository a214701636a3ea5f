// A small client of the local API for the `ward` command, the story and tests. It holds a bearer token and
// nothing else.
import type { HeldBlockView, Released, ReleaseRequest } from './held-port.js'
import { WebSocket } from 'ws'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { encodeCbor } from '../../runtime/protocol/cbor.js'
import { errorTable, type ErrorCode } from '../../runtime/protocol/error-codes.js'
import { ok, refused } from '../../runtime/protocol/result.js'
import type {
  AlertView,
  ApiEvent,
  BatchView,
  NodeStatus,
  OrderView,
  Outcome,
  PatientView,
  PersonView,
  Pinned,
  Prepared,
  ProofOf,
  Proposal,
  ReceiptView,
  ReplayView,
  RecordJson,
  RecordPage,
  Session,
  VersionsView,
  ViewQuestion,
  ViewView,
  ShareDealView,
} from './node-port.js'
import type { NetworkJson, ReadinessJson, RecoveryJson } from './network-json.js'

export type SealedStatus = Pick<
  NodeStatus,
  'name' | 'role' | 'initialised' | 'sealed' | 'progress' | 'environment' | 'version'
>

export interface ApiClient {
  /** Full when unsealed; of a sealed node only the fields of `SealedStatus` are there. */
  status(): Promise<Outcome<SealedStatus & Partial<NodeStatus>>>
  /** Password bytes are sent as they are; the caller clears them. */
  unlock(password: Uint8Array): Promise<Outcome<unknown>>
  seal(): Promise<Outcome<unknown>>
  /** As `NodePort.dealShares`. */
  dealShares(password: Uint8Array): Promise<Outcome<ShareDealView>>
  people(): Promise<Outcome<PersonView[]>>
  /** Keeps the token for all later calls. */
  signIn(person: string | Uint8Array, password: Uint8Array): Promise<Outcome<Session>>
  signOut(): Promise<Outcome<unknown>>
  /** Of the signed-in person: the same key, wrapped under another password. */
  changePassword(present: Uint8Array, changed: Uint8Array): Promise<Outcome<ReceiptView>>
  prepare(proposal: Proposal): Promise<Outcome<Prepared>>
  sign(prepared: string, password?: Uint8Array): Promise<Outcome<ReceiptView>>
  /** `prepare`, then `sign`. */
  propose(proposal: Proposal, password?: Uint8Array): Promise<Outcome<ReceiptView>>
  submitSigned(bundle: Uint8Array): Promise<Outcome<ReceiptView>>
  submitMany(bundles: readonly Uint8Array[]): Promise<Outcome<BatchView>>
  transaction(id: string): Promise<Outcome<Pinned & { receipt: ReceiptView }>>
  replay(id: string): Promise<Outcome<Pinned & { replay: ReplayView }>>
  proof(asked: ProofOf): Promise<Outcome<Pinned & { exists: boolean; document: string }>>
  patients(): Promise<Outcome<Pinned & { patients: PatientView[] }>>
  records(query: {
    /** Left out: every patient whom the person may see, by arrival. */
    patient?: string
    kind: RecordJson['kind']
    code?: string
    limit?: number
    order?: 'newest' | 'oldest'
    author?: string
    by?: 'effective' | 'arrival'
    /** Ms since 1970; by arrival heights, or numbers in the patient's list. */
    from?: number
    to?: number
    pinned?: number
    after?: string
  }): Promise<Outcome<RecordPage>>
  /** As `NodePort.linearize`; needs a session. */
  linearize(): Promise<Outcome<{ height: number }>>
  alerts(patient?: string): Promise<Outcome<Pinned & { alerts: AlertView[] }>>
  orders(patient?: string): Promise<Outcome<Pinned & { orders: OrderView[] }>>
  /** What is deployed: of one alias, or of all. */
  versions(alias?: string): Promise<Outcome<Pinned & VersionsView>>
  /** As `NodePort.view`; needs a session. */
  view(question: ViewQuestion): Promise<Outcome<Pinned & ViewView>>
  network(): Promise<Outcome<NetworkJson>>
  /** Gives the node a recovery manifest. */
  recover(manifest: Uint8Array): Promise<Outcome<RecoveryJson>>
  /** This node's word that it is at the tip; needs a session. */
  /** What the node holds back from its own proposals. */
  held(): Promise<Outcome<HeldBlockView[]>>
  release(request: ReleaseRequest): Promise<Outcome<Released>>
  readiness(action: 'add' | 'replace' | 'rotate', entity?: string): Promise<Outcome<ReadinessJson>>
  /** Any GET route as JSON. */
  get<T>(path: string): Promise<Outcome<T>>
  /** Events until `stop`; `onEnd` hears the code, if any, with which the server ended it. */
  subscribe(onEvent: (event: ApiEvent) => void, onEnd?: (code: string) => void): Promise<() => void>
}

export class ApiUnreachable extends Error {
  readonly code = 'API_UNREACHABLE'
}

/** `url`: as `startApi` returns it. Throws ApiUnreachable from any call when nothing answers there. */
export function createApiClient(url: string): ApiClient {
  const connection: Connection = { url, token: undefined }
  const get = <T>(path: string) => request<T>(connection, 'GET', path)
  const post = <T>(path: string, content?: Uint8Array | object) =>
    request<T>(connection, 'POST', path, content)
  const client: ApiClient = {
    status: () => get('/v1/status'),
    unlock: (password) => post('/v1/unlock', password),
    seal: () => post('/v1/seal'),
    dealShares: (password) => post('/v1/key-shares', password),
    people: async () =>
      mapOutcome(await get<{ people: PersonView[] }>('/v1/people'), (body) => body.people),
    signIn: async (person, password) => {
      const id = typeof person === 'string' ? person : bytesToHex(person)
      const session = await post<Session>(`/v1/sign-in/${id}`, password)
      if (session.ok) connection.token = session.value.token
      return session
    },
    signOut: async () => {
      const outcome = await post('/v1/sign-out')
      connection.token = undefined
      return outcome
    },
    changePassword: async (present, changed) => {
      const both = Buffer.concat([present, Buffer.from('\n'), changed])
      const outcome = receiptOf(await post('/v1/session/password', both))
      both.fill(0)
      return outcome
    },
    prepare: (proposal) => post('/v1/prepare', proposal),
    sign: async (prepared, password) => receiptOf(await post(`/v1/sign/${prepared}`, password)),
    propose: async (proposal, password) => {
      const prepared = await client.prepare(proposal)
      return prepared.ok ? client.sign(prepared.value.id, password) : prepared
    },
    submitSigned: async (bundle) => receiptOf(await post('/v1/transactions', bundle)),
    submitMany: (bundles) => post('/v1/transactions/batch', encodeCbor([...bundles])),
    transaction: (id) => get(`/v1/transactions/${id}`),
    replay: (id) => get(`/v1/transactions/${id}/replay`),
    proof: ({ about, name }) => get(`/v1/proof?${new URLSearchParams({ about, name }).toString()}`),
    patients: () => get('/v1/patients'),
    records: (query) => {
      const parameters = new URLSearchParams()
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) parameters.set(name, String(value))
      }
      return get(`/v1/records?${parameters.toString()}`)
    },
    linearize: () => post('/v1/linearize'),
    alerts: (patient) => get(patient === undefined ? '/v1/alerts' : `/v1/alerts?patient=${patient}`),
    orders: (patient) => get(patient === undefined ? '/v1/orders' : `/v1/orders?patient=${patient}`),
    versions: (alias) =>
      get(alias === undefined ? '/v1/versions' : `/v1/versions?alias=${encodeURIComponent(alias)}`),
    view: (question) => post('/v1/view', question),
    network: () => get('/v1/network'),
    recover: (manifest) => post('/v1/network/recovery', manifest),
    held: async () => mapOutcome(await get<{ held: HeldBlockView[] }>('/v1/held'), (body) => body.held),
    release: (request) => post('/v1/held/release', request),
    readiness: (action, entity) =>
      post('/v1/network/readiness', entity === undefined ? { action } : { action, entity }),
    get,
    subscribe: (onEvent, onEnd) => subscribe(connection, onEvent, onEnd),
  }
  return client
}

interface Connection {
  url: string
  token: string | undefined
}

async function request<T>(
  connection: Connection,
  method: 'GET' | 'POST',
  path: string,
  content?: Uint8Array | object,
): Promise<Outcome<T>> {
  const headers: Record<string, string> = {}
  if (connection.token !== undefined) headers.authorization = `Bearer ${connection.token}`
  let body: Uint8Array | string | undefined
  if (content instanceof Uint8Array) {
    headers['content-type'] = 'application/octet-stream'
    body = content
  } else if (content !== undefined) {
    headers['content-type'] = 'application/json'
    body = JSON.stringify(content)
  }
  let response: Response
  try {
    response = await fetch(connection.url + path, { method, headers, body })
  } catch (error) {
    throw new ApiUnreachable(`Nothing answers at ${connection.url}.`, { cause: error })
  }
  const answer = (await response.json()) as T & { code?: ErrorCode; detail?: string }
  // 202 is NOT_FINAL_IN_TIME: accepted, but not what was asked for.
  if (response.status === 200) return ok(answer)
  if (answer.code !== undefined && answer.code in errorTable) return refused(answer.code, answer.detail)
  return refused('INTERNAL', `status ${response.status}`)
}

function receiptOf(outcome: Outcome<{ receipt: ReceiptView }>): Outcome<ReceiptView> {
  return mapOutcome(outcome, (body) => body.receipt)
}

function mapOutcome<A, B>(outcome: Outcome<A>, map: (value: A) => B): Outcome<B> {
  return outcome.ok ? ok(map(outcome.value)) : outcome
}

/** Resolves once the server has said `ready`: nothing that happens afterwards is missed. */
function subscribe(
  connection: Connection,
  onEvent: (event: ApiEvent) => void,
  onEnd: ((code: string) => void) | undefined,
): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${connection.url.replace(/^http/, 'ws')}/v1/subscribe`)
    socket.on('open', () => socket.send(JSON.stringify({ token: connection.token })))
    socket.on('error', (error) =>
      reject(new ApiUnreachable(`No subscription at ${connection.url}.`, { cause: error })),
    )
    socket.on('close', (_code, reason) => onEnd?.(reason.toString('utf8')))
    socket.on('message', (content: Buffer) => {
      const event = JSON.parse(content.toString('utf8')) as ApiEvent | Greeting
      if (event.type === 'ready') resolve(() => socket.close())
      else if (event.type === 'refused') reject(new ApiUnreachable(event.code))
      else onEvent(event)
    })
  })
}

type Greeting = { type: 'ready' } | { type: 'refused'; code: ErrorCode }
