// The MLLP ports: listens for each attached source, frames, hands messages to the handler, and answers in
// the order of arrival. One message at a time on a connection: a correction must not overtake what it
// corrects.
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { GatewayError } from './codes.js'
import { createFramer, type FrameEvent, type FramerCounts } from './framer.js'
import { createMessageHandler, type MessageHandler } from './handler.js'
import { isZone } from './hl7-time.js'
import { gatewayLimits, type GatewayLimits, type GatewayPorts, type GatewaySource } from './ports.js'

export interface GatewayEndpoint {
  readonly sources: readonly string[]
  readonly host: string
  /** The port that is bound, also when 0 was asked for. */
  readonly port: number
  readonly counts: EndpointCounts
}

/** Counted since the port was opened. */
export interface EndpointCounts extends FramerCounts {
  connections: number
  connectionsRefused: number
  framesDiscarded: number
  /** Segments that ended in LF or CRLF instead of CR, and empty lines. */
  segmentEndDeviations: number
}

export interface Gateway {
  readonly endpoints: readonly GatewayEndpoint[]
  /** Stops listening, lets messages on their way be answered (as long as `finalMsMax`), then closes. */
  close: () => Promise<void>
}

interface Listener {
  readonly sources: readonly GatewaySource[]
  readonly server: Server
  readonly connections: Set<Connection>
  readonly endpoint: GatewayEndpoint
}

/** How long a closing connection may take to read our last answer. */
const lingerMs = 1_000

/**
 * Opens the gateway's ports. Throws GatewayError: BIND_ADDRESS_REQUIRED, SOURCE_INVALID, LISTEN_FAILED.
 * Sources with the same host and port share one listener and are told apart by MSH-3 and MSH-4.
 */
export async function openGateway(
  sources: readonly GatewaySource[],
  ports: GatewayPorts,
  limits: Partial<GatewayLimits> = {},
): Promise<Gateway> {
  checkSources(sources)
  const bounds: GatewayLimits = { ...gatewayLimits, ...limits }
  const handler = createMessageHandler(ports, bounds)
  const groups = new Map<string, GatewaySource[]>()
  for (const source of sources) {
    // Port 0 means "any": such sources never share a listener.
    const place = source.port === 0 ? source.name : `${source.host} ${source.port}`
    groups.set(place, [...(groups.get(place) ?? []), source])
  }
  const listeners: Listener[] = []
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => closeListener(listener, bounds)))
  }
  try {
    for (const group of groups.values()) listeners.push(await listen(group, handler, ports, bounds))
  } catch (cause) {
    await close()
    throw cause
  }
  void handler.resumeKept(sources).catch((cause: unknown) => {
    ports.report?.({ kind: 'failed', source: '', step: 'inbox.pending', cause })
  })
  return { endpoints: listeners.map(({ endpoint }) => endpoint), close }
}

function checkSources(sources: readonly GatewaySource[]): void {
  const names = new Set<string>()
  for (const { name, host, port, accepts, zone } of sources) {
    if (host === '') {
      throw new GatewayError('BIND_ADDRESS_REQUIRED', `source ${name}: say which address to listen on`)
    }
    const isPort = Number.isInteger(port) && port >= 0 && port <= 65_535
    if (name === '' || names.has(name) || !isPort || accepts.length === 0) {
      throw new GatewayError(
        'SOURCE_INVALID',
        `source ${name}: needs a unique name, a port and a message type`,
      )
    }
    if (zone !== undefined && !isZone(zone)) {
      throw new GatewayError('SOURCE_INVALID', `source ${name}: ${zone} is no time zone`)
    }
    names.add(name)
  }
}

async function listen(
  sources: readonly GatewaySource[],
  handler: MessageHandler,
  ports: GatewayPorts,
  limits: GatewayLimits,
): Promise<Listener> {
  const [{ name, host, port, tls } = missingSource()] = sources
  const connections = new Set<Connection>()
  const counts: EndpointCounts = {
    noiseBytes: 0,
    emptyFrames: 0,
    connections: 0,
    connectionsRefused: 0,
    framesDiscarded: 0,
    segmentEndDeviations: 0,
  }
  const onSocket = (socket: Socket): void => {
    counts.connections += 1
    ports.report?.({ kind: 'connectionOpened', source: name })
    const connection = openConnection(socket, { sources, handler, limits, counts }, () => {
      connections.delete(connection)
      ports.report?.({ kind: 'connectionClosed', source: name })
    })
    connections.add(connection)
  }
  const options = { allowHalfOpen: true, noDelay: true, keepAlive: true }
  const server =
    tls === undefined
      ? createServer(options, onSocket)
      : createTlsServer(
          {
            ...options,
            ...tls,
            minVersion: 'TLSv1.2',
            requestCert: tls.ca !== undefined,
            handshakeTimeout: 10_000,
          },
          onSocket,
        )
  server.maxConnections = limits.connectionsMax
  server.on('drop', () => {
    counts.connectionsRefused += 1
    ports.report?.({ kind: 'connectionRefused', source: name })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new GatewayError('LISTEN_FAILED', `source ${name}: cannot listen on ${host} port ${port}`, cause),
      )
    })
    server.listen({ host, port, exclusive: true }, resolve)
  })
  server.on('error', (cause) => ports.report?.({ kind: 'failed', source: name, step: 'server', cause }))
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  const endpoint = { sources: sources.map((source) => source.name), host, port: bound, counts }
  return { sources, server, connections, endpoint }
}

function missingSource(): never {
  throw new GatewayError('SOURCE_INVALID', 'a listener needs a source')
}

async function closeListener({ server, connections }: Listener, limits: GatewayLimits): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  await Promise.all([...connections].map((connection) => connection.close(limits.finalMsMax)))
  await closed
}

// ---- One connection
// -------------------------------------------------------------------------------------------

interface Connection {
  close: (graceMs: number) => Promise<void>
}

interface ConnectionOptions {
  readonly sources: readonly GatewaySource[]
  readonly handler: MessageHandler
  readonly limits: GatewayLimits
  readonly counts: EndpointCounts
}

function openConnection(socket: Socket, options: ConnectionOptions, onClosed: () => void): Connection {
  const { sources, handler, limits, counts } = options
  const framer = createFramer(limits.frameBytesMax, counts)
  const waiting: FrameEvent[] = []
  let work: Promise<void> | undefined
  let idleTimer: NodeJS.Timeout | undefined
  let isEnding = false

  const answerEvent = async (event: FrameEvent): Promise<void> => {
    if (event.kind === 'frame') {
      counts.segmentEndDeviations += await handler.handle(event.bytes, sources, send)
      return
    }
    counts.framesDiscarded += 1
    await handler.handleDiscard(event.code, event.head, sources[0]?.name ?? '', send)
    if (event.code === 'FRAME_TOO_LARGE') isEnding = true
  }

  const send = async (bytes: Uint8Array): Promise<void> => {
    if (bytes.length === 0 || !socket.writable) return
    await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
  }

  // Reading stops while anything waits: the queue holds at most what one chunk completed, TCP holds the
  // rest.
  const drain = async (): Promise<void> => {
    socket.pause()
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) await answerEvent(event)
    work = undefined
    if (isEnding) endSocket(socket)
    else watchIdle()
    socket.resume()
  }

  const take = (events: readonly FrameEvent[]): void => {
    waiting.push(...events)
    if (waiting.length > 0 && work === undefined) work = drain()
  }

  const watchIdle = (): void => {
    clearTimeout(idleTimer)
    if (!framer.insideFrame() || work !== undefined) return
    idleTimer = setTimeout(() => {
      const event = framer.abandon('FRAME_TIMEOUT')
      if (event !== undefined) take([event])
    }, limits.frameIdleMsMax)
  }

  socket.on('data', (chunk: Buffer) => {
    // After an oversize frame or an end, bytes are read and dropped until the socket is gone.
    if (isEnding) return
    take(framer.push(chunk))
    watchIdle()
  })
  socket.on('end', () => {
    isEnding = true
    clearTimeout(idleTimer)
    const event = framer.abandon('FRAME_TRUNCATED')
    if (event !== undefined) take([event])
    else if (work === undefined) endSocket(socket)
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    clearTimeout(idleTimer)
    onClosed()
  })

  return {
    close: async (graceMs) => {
      isEnding = true
      clearTimeout(idleTimer)
      const timer = setTimeout(() => socket.destroy(), graceMs)
      await work
      clearTimeout(timer)
      await socketClosed(socket)
    },
  }
}

async function socketClosed(socket: Socket): Promise<void> {
  if (socket.closed) return
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.end(() => socket.destroy())
  })
}

// Sends FIN and goes on reading for a moment: closing with unread bytes would reset the connection, and the
// peer would lose the very answer that says why.
function endSocket(socket: Socket): void {
  socket.end()
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer))
}
