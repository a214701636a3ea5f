// The WebSocket of screens and tools: first message names session and page, then events flow one way.
import type { WebSocket } from 'ws'
import { codeOfStatus, statusOf, type ErrorCode } from '../../runtime/protocol/error-codes.js'
import { sameToken } from './guard.js'
import { refusalBody } from './http-status.js'
import type { ApiEvent, NodePort } from './node-port.js'

/** A client that says nothing holds no socket for longer. */
const helloMsMax = 5_000
/**
 * A client that reads slower than this is cut off and subscribes again: it must then read the state anew.
 */
export const bufferedBytesMax = 1_048_576
/** One screen needs one; tools a few. */
export const socketCountMax = 64
export const subscribeMessageBytesMax = 4_096

export interface Subscriptions {
  /** `fromBrowser`: the page token must be in the first message. */
  accept(socket: WebSocket, fromBrowser: boolean): void
  /** Tells everyone and closes: the node was sealed. */
  closeAll(code: ErrorCode): void
}

export function createSubscriptions(node: NodePort, pageToken: string): Subscriptions {
  const sockets = new Set<WebSocket>()
  return {
    accept(socket, fromBrowser) {
      if (sockets.size >= socketCountMax) return refuse(socket, 'POOL_FULL')
      sockets.add(socket)
      let stop: (() => void) | undefined
      const hello = setTimeout(() => refuse(socket, 'REQUEST_MALFORMED'), helloMsMax)
      socket.on('error', () => socket.terminate())
      socket.on('close', () => {
        clearTimeout(hello)
        stop?.()
        sockets.delete(socket)
      })
      socket.once('message', (content: Buffer) => {
        clearTimeout(hello)
        stop = begin(socket, content, { node, pageToken: fromBrowser ? pageToken : undefined })
        // Nothing is expected afterwards, so anything more is a mistake or an attack.
        socket.on('message', () => refuse(socket, 'REQUEST_MALFORMED'))
      })
    },
    closeAll(code) {
      for (const socket of sockets) refuse(socket, code)
    },
  }
}

interface HelloContext {
  node: NodePort
  /** Undefined for local programs. */
  pageToken: string | undefined
}

function begin(socket: WebSocket, content: Buffer, context: HelloContext): (() => void) | undefined {
  const hello = parseHello(content)
  if (hello === undefined) {
    refuse(socket, 'REQUEST_MALFORMED')
    return undefined
  }
  if (context.pageToken !== undefined && !sameToken(hello.page, context.pageToken)) {
    refuse(socket, 'ORIGIN_REFUSED')
    return undefined
  }
  const session = hello.token === undefined ? undefined : context.node.session(hello.token)
  if (hello.token !== undefined && session === undefined) {
    refuse(socket, 'SESSION_REQUIRED')
    return undefined
  }
  // Listen before saying "ready": what happens between the two must not be missed.
  const held: ApiEvent[] = []
  let ready = false
  const stop = context.node.subscribe(session, (event) => {
    if (ready) deliver(socket, event)
    else held.push(event)
  })
  socket.send(JSON.stringify({ type: 'ready', status: context.node.status() }))
  ready = true
  for (const event of held) deliver(socket, event)
  return stop
}

function deliver(socket: WebSocket, event: ApiEvent): void {
  if (socket.readyState !== socket.OPEN) return
  if (socket.bufferedAmount > bufferedBytesMax) return refuse(socket, 'LIMIT_EXCEEDED')
  socket.send(JSON.stringify(event))
  if (event.type === 'signedOut') socket.close(closeCodeOf('SESSION_REQUIRED'), 'SESSION_REQUIRED')
}

/** Private close codes: 4000 + our number; the reason is the code's name. */
const closeCodeOf = (code: ErrorCode): number => 4_000 + statusOf(code)
export const codeOfClose = (closeCode: number): ErrorCode | undefined => codeOfStatus(closeCode - 4_000)

function refuse(socket: WebSocket, code: ErrorCode): void {
  if (socket.readyState === socket.OPEN) {
    socket.send(JSON.stringify({ type: 'refused', ...refusalBody(code) }))
  }
  socket.close(closeCodeOf(code), code)
}

function parseHello(content: Buffer): { token?: string; page?: string } | undefined {
  try {
    const hello: unknown = JSON.parse(content.toString('utf8'))
    if (typeof hello !== 'object' || hello === null || Array.isArray(hello)) return undefined
    const { token, page, ...rest } = hello as Record<string, unknown>
    if (Object.keys(rest).length > 0) return undefined
    if (token !== undefined && typeof token !== 'string') return undefined
    if (page !== undefined && typeof page !== 'string') return undefined
    return { token, page }
  } catch {
    return undefined
  }
}
