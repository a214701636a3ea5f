// Who may talk to the local API at all: checks on Host, Origin, fetch metadata and the page token, before
// any route. Pure over headers. Against DNS rebinding, foreign pages in the same browser, and frames
// (shell.md section 8).
import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface GuardOptions {
  /** Port that the server listens on. */
  port: number
  /** Secret of this server start, written into the shell's page; a browser must send it back. */
  pageToken: string
}

/**
 * `api` needs the page token from browsers, `document` is a navigation or a script of the shell, `frame` an
 * app document.
 */
export type GuardTarget = 'api' | 'document' | 'frame'

export const pageTokenHeader = 'x-wardchain-page'

/** Undefined when the request may pass, else a few words for the log and the answer's detail. */
export function guardRefusal(
  headers: IncomingHttpHeaders,
  target: GuardTarget,
  options: GuardOptions,
): string | undefined {
  const hosts = [`localhost:${options.port}`, `127.0.0.1:${options.port}`]
  const host = headers.host ?? ''
  // A rebound name resolves to us, but the browser still sends its own name here.
  if (!hosts.includes(host)) return 'host'
  // Frames without an origin of their own send "null" and are refused with all the others.
  if (headers.origin !== undefined && headers.origin !== `http://${host}`) return 'origin'
  const site = headers['sec-fetch-site']
  if (target === 'document') {
    // `none` is a typed address; a link from elsewhere may open the empty shell but never embed it
    // (frame-ancestors).
    return site === 'cross-site' && headers['sec-fetch-dest'] !== 'document' ? 'site' : undefined
  }
  if (site !== undefined && site !== 'same-origin') return 'site'
  if (target === 'frame') {
    const destination = headers['sec-fetch-dest']
    return destination !== undefined && destination !== 'iframe' ? 'destination' : undefined
  }
  // A local program sends neither header and could read the token from the page anyway; it needs the bearer
  // token alone.
  const fromBrowser = headers.origin !== undefined || site !== undefined
  if (fromBrowser && !isUpgrade(headers) && !sameToken(headers[pageTokenHeader], options.pageToken)) {
    return 'page token'
  }
  return undefined
}

/** A browser's WebSocket can carry no header of ours: its first message holds the page token instead. */
const isUpgrade = (headers: IncomingHttpHeaders): boolean => headers.upgrade?.toLowerCase() === 'websocket'

/** Compares in constant time; lengths are public. */
export function sameToken(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false
  const left = Buffer.from(given)
  const right = Buffer.from(expected)
  return left.length === right.length && timingSafeEqual(left, right)
}

/** The bearer token of a request; undefined when there is none. */
export function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  return /^Bearer ([A-Za-z0-9._~+/=-]{16,256})$/.exec(headers.authorization ?? '')?.[1]
}
