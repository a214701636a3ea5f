// The one error class that this folder throws. Misbehaving peers are never errors: they are disconnected
// with
// a reason, and the reason is counted and logged.

export type NetErrorCode =
  | 'BAD_OPTIONS'
  | 'BOOTSTRAP_NOT_CONFIGURED'
  | 'PORT_UNAVAILABLE'
  | 'CLOSED'
  | 'NOT_CLOSED'
  | 'VOTE_STORE'
  | 'CHAIN_PORT'

/** Failure of our own set-up or of a port; `cause` keeps what lay below. */
export class NetError extends Error {
  readonly code: NetErrorCode

  constructor(code: NetErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'NetError'
    this.code = code
  }
}
