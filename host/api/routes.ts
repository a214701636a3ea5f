// The routes under /v1: each one asks the node one question and says its outcome in HTTP. README.md
// documents them.
import type { ReleaseRequest } from './held-port.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { decodeCbor } from '../../runtime/protocol/cbor.js'
import { recoveryBytesMax } from '../../runtime/protocol/recovery.js'
import { ok, refused } from '../../runtime/protocol/result.js'
import { bearerToken } from './guard.js'
import { httpStatusOf, refusalBody } from './http-status.js'
import type {
  NodePort,
  Outcome,
  ProofOf,
  Proposal,
  ReadVia,
  ReceiptView,
  RecordQuery,
  Session,
  ViewQuestion,
} from './node-port.js'
import type { PageCache } from './page-cache.js'
import {
  bundleRequestBytesMax,
  pageQuerySchema,
  passwordBytesMax,
  personParams,
  preparedParams,
  proofQuerySchema,
  proposalBytesMax,
  proposalSchema,
  readinessSchema,
  releaseSchema,
  readQuerySchema,
  recordLimitMax,
  recordQuerySchema,
  transactionParams,
  versionsQuerySchema,
  viewSchema,
} from './request-schemas.js'

export interface RouteContext {
  node: NodePort
  pages: PageCache
  /** After the node was sealed through the API: drops frames and subscriptions. */
  onSealed: () => void
  /** Prometheus lines about the API itself. */
  ownMetrics: () => string
}

export function addRoutes(app: FastifyInstance, context: RouteContext): void {
  addNodeRoutes(app, context)
  addSessionRoutes(app, context)
  addSigningRoutes(app, context)
  addReadRoutes(app, context)
}

/** Says an outcome. Success is the value itself, a refusal `{code, sentence, detail?}`. */
export function answer<T extends object | null>(reply: FastifyReply, outcome: Outcome<T>): FastifyReply {
  if (outcome.ok) return reply.send(outcome.value ?? { code: 'OK' })
  return reply.status(httpStatusOf(outcome.code)).send(refusalBody(outcome.code, outcome.detail))
}

/** A failed receipt is final and did nothing: told as a refusal that carries its receipt. */
function answerReceipt(reply: FastifyReply, outcome: Outcome<ReceiptView>): FastifyReply {
  if (!outcome.ok) return answer(reply, outcome)
  const receipt = outcome.value
  if (receipt.code === 'OK') return reply.send({ code: 'OK', receipt })
  return reply
    .status(httpStatusOf(receipt.code))
    .send({ ...refusalBody(receipt.code, receipt.detail, receipt.sentence), receipt })
}

function sessionOf(request: FastifyRequest, node: NodePort): Outcome<Session> {
  const token = bearerToken(request.headers)
  const session = token === undefined ? undefined : node.session(token)
  return session === undefined ? refused('SESSION_REQUIRED') : ok(session)
}

const passwordRoute = { bodyLimit: passwordBytesMax }

/** Runs with the password's bytes and overwrites them, whatever happens. */
async function withPassword<T>(
  request: FastifyRequest,
  use: (password: Uint8Array) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  if (!(request.body instanceof Uint8Array) || request.body.length === 0) {
    return refused('REQUEST_MALFORMED', 'the password as application/octet-stream expected')
  }
  const password = request.body
  try {
    return await use(password)
  } finally {
    password.fill(0)
  }
}

function addNodeRoutes(app: FastifyInstance, { node, onSealed, ownMetrics }: RouteContext): void {
  app.get('/v1/status', { config: { whenSealed: true } }, async (_request, reply) => {
    const status = node.status()
    if (!status.sealed) return reply.send(status)
    // A sealed node says what a passer-by may know.
    const { name, role, initialised, sealed, progress, environment, version } = status
    return reply.send({ name, role, initialised, sealed, progress, environment, version })
  })
  app.post('/v1/unlock', { ...passwordRoute, config: { whenSealed: true } }, async (request, reply) =>
    answer(reply, await withPassword(request, (password) => node.unlock(password))),
  )
  app.post('/v1/key-shares', passwordRoute, async (request, reply) =>
    answer(reply, await withPassword(request, (password) => node.dealShares(password))),
  )
  app.post('/v1/seal', async (request, reply) => {
    const session = sessionOf(request, node)
    if (!session.ok) return answer(reply, session)
    await node.seal()
    onSealed()
    return answer(reply, ok(null))
  })
  app.get<{ Querystring: { alias?: string } }>(
    '/v1/versions',
    { schema: { querystring: versionsQuerySchema } },
    async (request, reply) => answer(reply, await node.versions(request.query.alias ?? '')),
  )
  app.get('/v1/network', async (_request, reply) => answer(reply, await node.network()))
  app.post<{ Body: { action: 'add' | 'replace' | 'rotate'; entity?: string } }>(
    '/v1/network/readiness',
    { schema: { body: readinessSchema } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      if (!session.ok) return answer(reply, session)
      return answer(reply, await node.readiness(session.value, request.body))
    },
  )
  // No session: enough institution keys signed it, and nothing else counts.
  app.post('/v1/network/recovery', { bodyLimit: recoveryBytesMax }, async (request, reply) => {
    if (!(request.body instanceof Uint8Array)) {
      return answer(reply, refused('REQUEST_MALFORMED', 'a manifest as application/octet-stream expected'))
    }
    return answer(reply, await node.recover(new Uint8Array(request.body)))
  })
  app.get('/v1/held', async (_request, reply) => answer(reply, node.held.list()))
  app.post<{ Body: ReleaseRequest }>(
    '/v1/held/release',
    { schema: { body: releaseSchema } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      if (!session.ok) return answer(reply, session)
      return answer(reply, await node.held.release(session.value, request.body))
    },
  )
  app.get('/v1/peers', async (_request, reply) => answer(reply, node.peers()))
  app.get('/v1/health', async (_request, reply) => {
    const health = node.health()
    return reply.status(health.healthy ? 200 : 503).send(health)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send((await node.metrics()) + ownMetrics()),
  )
}

function addSessionRoutes(app: FastifyInstance, { node }: RouteContext): void {
  app.get('/v1/people', async (_request, reply) => {
    const people = await node.people()
    return answer(reply, people.ok ? ok({ people: people.value }) : people)
  })
  app.post<{ Params: { person: string } }>(
    '/v1/sign-in/:person',
    { ...passwordRoute, schema: { params: personParams } },
    async (request, reply) =>
      answer(
        reply,
        await withPassword(request, (password) => node.signIn(request.params.person, password)),
      ),
  )
  app.get('/v1/session', async (request, reply) => answer(reply, withoutToken(sessionOf(request, node))))
  app.post('/v1/session/extend', async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, withoutToken(session.ok ? node.extend(session.value.token) : session))
  })
  // The present password, a line feed, the new one: no password that is typed holds a line feed.
  app.post('/v1/session/password', { bodyLimit: 2 * passwordBytesMax }, async (request, reply) => {
    const session = sessionOf(request, node)
    if (!session.ok) return answer(reply, session)
    const changed = await withPassword(request, async (both) => {
      const end = both.indexOf(0x0a)
      if (end < 0) return refused('REQUEST_MALFORMED', 'two passwords with a line feed between expected')
      return node.changePassword(session.value, both.subarray(0, end), both.subarray(end + 1))
    })
    return answerReceipt(reply, changed)
  })
  app.post('/v1/sign-out', async (request, reply) => {
    const session = sessionOf(request, node)
    if (session.ok) node.signOut(session.value.token)
    return answer(reply, session.ok ? ok(null) : session)
  })
}

/** The token goes out once, at sign-in. */
function withoutToken(session: Outcome<Session>): Outcome<Omit<Session, 'token'>> {
  if (!session.ok) return session
  return ok({ person: session.value.person, expires: session.value.expires })
}

function addSigningRoutes(app: FastifyInstance, { node }: RouteContext): void {
  app.post<{ Body: Proposal }>(
    '/v1/prepare',
    { bodyLimit: proposalBytesMax, schema: { body: proposalSchema } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      return answer(reply, session.ok ? await node.prepare(session.value, request.body) : session)
    },
  )
  app.post<{ Params: { prepared: string } }>(
    '/v1/sign/:prepared',
    { ...passwordRoute, schema: { params: preparedParams } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      if (!session.ok) return answer(reply, session)
      const { prepared } = request.params
      const isEmpty = !(request.body instanceof Uint8Array) || request.body.length === 0
      if (isEmpty) return answerReceipt(reply, await node.sign(session.value, prepared))
      return answerReceipt(
        reply,
        await withPassword(request, (password) => node.sign(session.value, prepared, password)),
      )
    },
  )
  app.post('/v1/transactions', { bodyLimit: bundleRequestBytesMax }, async (request, reply) => {
    if (!(request.body instanceof Uint8Array)) {
      return answer(reply, refused('REQUEST_MALFORMED', 'a bundle as application/octet-stream expected'))
    }
    return answerReceipt(reply, await node.submitSigned(request.body))
  })
  app.post('/v1/transactions/batch', { bodyLimit: batchRequestBytesMax }, async (request, reply) => {
    const bundles = request.body instanceof Uint8Array ? bundlesOf(request.body) : undefined
    if (bundles === undefined) {
      return answer(reply, refused('REQUEST_MALFORMED', 'a CBOR array of 1 to 1,000 bundles expected'))
    }
    return answer(reply, await node.submitMany(bundles))
  })
  app.get<{ Params: { id: string } }>(
    '/v1/transactions/:id',
    { schema: { params: transactionParams } },
    async (request, reply) => answer(reply, await node.transaction(request.params.id)),
  )
  app.get<{ Params: { id: string } }>(
    '/v1/transactions/:id/replay',
    { schema: { params: transactionParams } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      return answer(reply, session.ok ? await node.replay(session.value, request.params.id) : session)
    },
  )
}

export const batchRequestBytesMax = 4 * 1_048_576
const batchCountMax = 1_000

function bundlesOf(body: Uint8Array): Uint8Array[] | undefined {
  // A Buffer of the HTTP parser is a view of a larger one; the codec gets bytes of its own.
  const decoded = decodeCbor(new Uint8Array(body), 1 + batchCountMax)
  if (!decoded.ok || !Array.isArray(decoded.value)) return undefined
  const { value } = decoded
  if (value.length === 0 || value.length > batchCountMax) return undefined
  const bundles = value.filter((item) => item instanceof Uint8Array)
  return bundles.length === value.length ? bundles : undefined
}

type ReadQuery = { patient?: string; application?: string }
type RawRecordQuery = Omit<RecordQuery, 'from' | 'to' | 'limit' | 'pinned' | 'application'> & {
  pinned?: string
  application?: string
  from?: string
  to?: string
  limit?: string
}

function addReadRoutes(app: FastifyInstance, { node, pages }: RouteContext): void {
  const read = { schema: { querystring: readQuerySchema } }
  app.get<{ Querystring: ReadQuery }>('/v1/patients', read, async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, session.ok ? await node.patients(session.value, viaOf(request.query)) : session)
  })
  app.get<{ Querystring: ReadQuery }>('/v1/alerts', read, async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, session.ok ? await node.alerts(session.value, scopeOf(request.query)) : session)
  })
  app.get<{ Querystring: ReadQuery }>('/v1/orders', read, async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, session.ok ? await node.orders(session.value, scopeOf(request.query)) : session)
  })
  app.get<{ Querystring: RawRecordQuery }>(
    '/v1/records',
    { schema: { querystring: recordQuerySchema } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      if (!session.ok) return answer(reply, session)
      const query = recordQueryOf(request.query)
      return answer(reply, query.ok ? await node.records(session.value, query.value) : query)
    },
  )
  app.get<{ Querystring: ProofOf }>(
    '/v1/proof',
    { schema: { querystring: proofQuerySchema } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      return answer(reply, session.ok ? await node.proof(session.value, request.query) : session)
    },
  )
  app.post<{ Body: ViewQuestion }>('/v1/view', { schema: { body: viewSchema } }, async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, session.ok ? await node.view(session.value, request.body) : session)
  })
  app.post('/v1/linearize', async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, session.ok ? await node.linearize() : session)
  })
  app.get('/v1/pages', async (request, reply) => {
    const session = sessionOf(request, node)
    return answer(reply, session.ok ? await node.pages() : session)
  })
  app.get<{ Querystring: { alias: string } }>(
    '/v1/page',
    { schema: { querystring: pageQuerySchema } },
    async (request, reply) => {
      const session = sessionOf(request, node)
      if (!session.ok) return answer(reply, session)
      const outcome = await node.page(request.query.alias)
      if (!outcome.ok) return answer(reply, outcome)
      const { page, ...pinned } = outcome.value
      if (!pages.keep(page.hash, page.html)) {
        return answer(reply, refused('INTERNAL', 'the page is not the one that the chain names'))
      }
      // The bytes go along, so that the shell itself can compare them with the chain's hash before it
      // frames them.
      const { html, ...described } = page
      return reply.send({
        ...pinned,
        page: { ...described, htmlBase64: Buffer.from(html).toString('base64') },
      })
    },
  )
}

const viaOf = (query: ReadQuery): ReadVia => ({ application: query.application ?? 'tool' })

function scopeOf(query: ReadQuery): ReadVia & { patient?: string } {
  const via = viaOf(query)
  return query.patient === undefined ? via : { ...via, patient: query.patient }
}

function recordQueryOf(raw: RawRecordQuery): Outcome<RecordQuery> {
  const limit = Number(raw.limit ?? 100)
  if (limit < 1 || limit > recordLimitMax) {
    return refused('REQUEST_MALFORMED', `limit: 1..${recordLimitMax} expected`)
  }
  const query: RecordQuery = {
    kind: raw.kind,
    order: raw.order ?? 'newest',
    limit,
    ...viaOf(raw),
  }
  for (const name of ['patient', 'code', 'author', 'after'] as const) {
    const value = raw[name]
    if (value !== undefined) query[name] = value
  }
  if (raw.by !== undefined) query.by = raw.by
  if (raw.pinned !== undefined) query.pinned = Number(raw.pinned)
  if (raw.from !== undefined) query.from = Number(raw.from)
  if (raw.to !== undefined) query.to = Number(raw.to)
  return ok(query)
}
