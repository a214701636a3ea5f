// The local API's server: loopback only, guarded, silent about patients in its log. `startApi` is the only
// way in.
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import websocket from '@fastify/websocket'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { guardRefusal, type GuardTarget } from './guard.js'
import { httpStatusOf, refusalBody } from './http-status.js'
import type { NodePort } from './node-port.js'
import { createPageCache, type PageCache } from './page-cache.js'
import { documentParams } from './request-schemas.js'
import { applicationPolicy, commonHeaders, dataPolicy, shellPolicy } from './response-headers.js'
import { addRoutes } from './routes.js'
import { createSubscriptions, subscribeMessageBytesMax, type Subscriptions } from './subscriptions.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What kind of request it is for the guard; `api` unless said. */
    guard?: GuardTarget
    /** Answered on a sealed node too. */
    whenSealed?: boolean
  }
}

export interface ApiOptions {
  /** 0: any free port. */
  port: number
  /** Only this address is accepted: the API is for this computer. */
  host: '127.0.0.1'
  /** Folder with index.html, shell.js and shell.css, as `tools/build-shell.ts` makes it. */
  staticFolder: string
}

/** The part of a logger that the API uses (pino fits). Never given a body, a query or a token. */
export interface ApiLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface ApiServer {
  /** `http://localhost:PORT`: a name, for WebAuthn's sake; 127.0.0.1 serves as well. */
  url: string
  port: number
  /** Tells subscribers that the node was sealed by other means than the API, and forgets pages. */
  sealed(): void
  close(): Promise<void>
}

export class ApiError extends Error {
  constructor(
    readonly code: 'SHELL_MISSING' | 'ADDRESS_REFUSED' | 'LISTEN_FAILED',
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}

/** Replaced by the page token in the shell's page. */
export const pageTokenPlaceholder = '__WARDCHAIN_PAGE_TOKEN__'

/** Reads the shell's files and listens. Throws ApiError SHELL_MISSING, ADDRESS_REFUSED or LISTEN_FAILED. */
export async function startApi(options: ApiOptions, node: NodePort, logger: ApiLogger): Promise<ApiServer> {
  if (options.host !== '127.0.0.1') {
    throw new ApiError('ADDRESS_REFUSED', 'The local API listens on 127.0.0.1 only.')
  }
  const pageToken = randomBytes(32).toString('base64url')
  const shell = await readShell(options.staticFolder, pageToken)
  const pages = createPageCache()
  const subscriptions = createSubscriptions(node, pageToken)
  const counters = { requests: 0, refused: 0 }
  const listening = { port: options.port }
  const app = fastify({
    forceCloseConnections: true,
    bodyLimit: 65_536,
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 128 },
    http: { maxHeaderSize: 16_384 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false } },
  })
  app.server.maxConnections = 256
  // Before the guards: its hook marks upgrades, and only marked ones are hung up when a guard refuses them.
  await app.register(websocket, { options: { maxPayload: subscribeMessageBytesMax } })
  addGuards(app, { node, logger, pageToken, counters, listening })
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  const onSealed = (): void => {
    pages.clear()
    subscriptions.closeAll('NODE_SEALED')
  }
  addDocuments(app, shell, pages)
  addSubscribe(app, subscriptions)
  addRoutes(app, { node, pages, onSealed, ownMetrics: () => metricsOf(counters) })
  try {
    await app.listen({ port: options.port, host: options.host })
  } catch (error) {
    throw new ApiError('LISTEN_FAILED', `Cannot listen on port ${options.port} of this computer.`, error)
  }
  listening.port = (app.server.address() as AddressInfo).port
  return {
    url: `http://localhost:${listening.port}`,
    port: listening.port,
    sealed: onSealed,
    close: () => app.close(),
  }
}

interface GuardContext {
  node: NodePort
  logger: ApiLogger
  pageToken: string
  counters: { requests: number; refused: number }
  listening: { port: number }
}

/** Hooks in front of every route and upgrade, unknown paths included. */
function addGuards(app: FastifyInstance, context: GuardContext): void {
  const { node, logger, counters, listening, pageToken } = context
  app.addHook('onRequest', async (request, reply) => {
    counters.requests += 1
    void reply.headers({ ...commonHeaders, 'content-security-policy': dataPolicy })
    const { guard = 'api', whenSealed = false } = request.routeOptions.config
    const reason = guardRefusal(request.headers, guard, { port: listening.port, pageToken })
    if (reason !== undefined) {
      counters.refused += 1
      logger.warn({ reason, route: request.routeOptions.url ?? 'unknown' }, 'request refused')
      return refuse(reply, 'ORIGIN_REFUSED', reason)
    }
    if (!whenSealed && node.status().sealed) return refuse(reply, 'NODE_SEALED')
    return undefined
  })
  app.addHook('onResponse', async (request, reply) => {
    // The route's pattern, not its address: queries name patients.
    const route = request.routeOptions.url ?? 'unknown'
    logger.info(
      { method: request.method, route, status: reply.statusCode, elapsedMs: Math.round(reply.elapsedTime) },
      'request',
    )
  })
  app.setNotFoundHandler((_request, reply) => refuse(reply, 'NOT_FOUND'))
  app.setErrorHandler((error: Thrown, request, reply) => {
    const status = error.statusCode ?? 500
    // Fastify's own refusals (body too large, broken JSON, schema) name a field or a limit, never a value.
    if (status < 500) return refuse(reply, 'REQUEST_MALFORMED', error.message, status)
    logger.error(
      { route: request.routeOptions.url, code: error.code, stack: error.stack },
      'request failed',
    )
    return refuse(reply, refusalOf(error), error.advice)
  })
}

/** What Fastify throws, and a reading that failed. */
type Thrown = Error & { statusCode?: number; code?: string; advice?: string }

/** A reading that failed has a code of its own; whatever else is thrown is a fault of ours. */
const refusalOf = ({ code }: { code?: string }): RefusalCode =>
  code === 'READ_FAILED' || code === 'READ_TOO_LONG' ? code : 'INTERNAL'

type RefusalCode =
  | 'ORIGIN_REFUSED'
  | 'NODE_SEALED'
  | 'NOT_FOUND'
  | 'REQUEST_MALFORMED'
  | 'READ_FAILED'
  | 'READ_TOO_LONG'
  | 'INTERNAL'

function refuse(reply: FastifyReply, code: RefusalCode, detail?: string, status?: number): FastifyReply {
  return reply
    .status(status ?? httpStatusOf(code))
    .type('application/json; charset=utf-8')
    .send(refusalBody(code, detail))
}

interface ShellFile {
  path: string
  type: string
  content: Buffer
}

/** Held in memory: a server that opens no files on request can be led to none. */
async function readShell(folder: string, pageToken: string): Promise<ShellFile[]> {
  const read = async (name: string): Promise<Buffer> => {
    try {
      return await readFile(join(folder, name))
    } catch (error) {
      throw new ApiError('SHELL_MISSING', `The shell's ${name} is missing. Run the build first.`, error)
    }
  }
  const page = (await read('index.html')).toString('utf8').replaceAll(pageTokenPlaceholder, pageToken)
  return [
    { path: '/', type: 'text/html; charset=utf-8', content: Buffer.from(page) },
    { path: '/shell.js', type: 'text/javascript; charset=utf-8', content: await read('shell.js') },
    { path: '/shell.css', type: 'text/css; charset=utf-8', content: await read('shell.css') },
  ]
}

function addDocuments(app: FastifyInstance, shell: ShellFile[], pages: PageCache): void {
  for (const file of shell) {
    app.get(file.path, { config: { guard: 'document', whenSealed: true } }, async (_request, reply) =>
      reply.header('content-security-policy', shellPolicy).type(file.type).send(file.content),
    )
  }
  // Browsers ask for it unbidden; without an answer every page starts with an error.
  app.get('/favicon.ico', { config: { guard: 'document', whenSealed: true } }, async (_request, reply) =>
    reply.status(204).send(),
  )
  app.get<{ Params: { hash: string } }>(
    '/app/:hash',
    { config: { guard: 'frame' }, schema: { params: documentParams } },
    async (request, reply) => {
      const html = pages.get(request.params.hash)
      if (html === undefined) return refuse(reply, 'NOT_FOUND')
      return reply
        .header('content-security-policy', applicationPolicy)
        .type('text/html; charset=utf-8')
        .send(Buffer.from(html))
    },
  )
}

function addSubscribe(app: FastifyInstance, subscriptions: Subscriptions): void {
  app.get('/v1/subscribe', { websocket: true }, (socket, request) => {
    subscriptions.accept(socket, request.headers.origin !== undefined)
  })
}

function metricsOf(counters: { requests: number; refused: number }): string {
  return [
    '# HELP wardchain_api_requests_total Requests to the local API.',
    '# TYPE wardchain_api_requests_total counter',
    `wardchain_api_requests_total ${counters.requests}`,
    '# HELP wardchain_api_refused_total Requests refused by Host, Origin or page token.',
    '# TYPE wardchain_api_refused_total counter',
    `wardchain_api_refused_total ${counters.refused}`,
    '',
  ].join('\n')
}
