// Signed-in persons. A person's key lives in locked memory from sign-in to lock and never leaves this
// process.
import { bytesToHex, hexToBytes, ok, refused, type Result } from '../../runtime/protocol/index.js'
import type { Session } from '../api/node-port.js'
import { destroyKey, randomBytes, type SigningKey } from '../keys/crypto.js'
import { openPersonKeystore } from '../keys/person-keystore.js'
import type { PersonEntry } from '../executor/messages.js'
import { Turns } from './turns.js'

export interface PersonSession {
  token: string
  entity: Uint8Array
  label: string
  roles: string[]
  key: SigningKey
  expires: number
  /** The first signature after sign-in asks for the password again (21 CFR Part 11). */
  hasSigned: boolean
}

/** Idle time after which a session ends; the shell warns a minute before. */
const idleMsMax = 15 * 60_000
/** One kiosk serves a few people at a time; a flood of sign-ins must not fill locked memory. */
const sessionCountMax = 64
const delayMsMax = 30_000

export class Sessions {
  private readonly sessions = new Map<string, PersonSession>()
  private readonly turns = new Turns()
  private readonly failures = new Map<string, { count: number; until: number }>()

  constructor(
    private readonly now: () => number,
    private readonly onEnd: (token: string) => void,
    /** Whether the chain knows this public key and it is not revoked. */
    private readonly keyHolds: (publicKey: Uint8Array) => Promise<boolean>,
  ) {}

  /** SIGN_IN_REJECTED for an unknown person, wrong password, revoked key and throttled attempt alike. */
  async signIn(
    person: PersonEntry | undefined,
    password: Uint8Array,
  ): Promise<Result<PersonSession, 'SIGN_IN_REJECTED'>> {
    const key = person && (await this.openKey(person, password))
    if (!key || !(await this.stillHolds(key))) return refused('SIGN_IN_REJECTED')
    this.failures.delete(bytesToHex(person.entity))
    if (this.sessions.size >= sessionCountMax) this.endOldest()
    const session: PersonSession = {
      token: bytesToHex(randomBytes(32)),
      entity: person.entity,
      label: person.label,
      roles: person.roles,
      key,
      expires: this.now() + idleMsMax,
      hasSigned: false,
    }
    this.sessions.set(session.token, session)
    return ok(session)
  }

  /** Checks the password again for a signature. The session's own key stays in use. */
  async confirm(person: PersonEntry | undefined, password: Uint8Array): Promise<boolean> {
    const key = person && (await this.openKey(person, password))
    if (!key) return false
    const holds = await this.stillHolds(key)
    destroyKey(key)
    return holds
  }

  /**
   * The person's key, or undefined for a wrong password and while a wait lasts. One guess at a time for each
   * person: a volley of guesses meets the wait that the first of them brought.
   */
  private openKey(person: PersonEntry, password: Uint8Array): Promise<SigningKey | undefined> {
    const name = bytesToHex(person.entity)
    return this.turns.run([name], async () => {
      const failure = this.failures.get(name)
      if (failure && failure.until > this.now()) return undefined
      const opened = await openPersonKeystore(person.keystore, person.publicKey, password)
      if (opened.ok) return opened.value
      this.noteFailure(name)
      return undefined
    })
  }

  /** Destroys a key that the chain no longer accepts: it opens nothing here either. */
  private async stillHolds(key: SigningKey): Promise<boolean> {
    const holds = await this.keyHolds(key.publicKey).catch(() => false)
    if (!holds) destroyKey(key)
    return holds
  }

  /** Ends the sessions of people whose key was revoked since they signed in. */
  async endRevoked(): Promise<void> {
    for (const session of [...this.sessions.values()]) {
      if (!(await this.keyHolds(session.key.publicKey))) this.end(session.token)
    }
  }

  /** The first two slips cost nothing; then the wait doubles from half a second to half a minute. */
  private noteFailure(name: string): void {
    const count = (this.failures.get(name)?.count ?? 0) + 1
    const delayMs = count < 3 ? 0 : Math.min(delayMsMax, 500 * 2 ** (count - 3))
    this.failures.set(name, { count, until: this.now() + delayMs })
  }

  find(token: string): PersonSession | undefined {
    const session = this.sessions.get(token)
    if (session && session.expires <= this.now()) {
      this.end(token)
      return undefined
    }
    return session
  }

  extend(token: string): PersonSession | undefined {
    const session = this.find(token)
    if (session) session.expires = this.now() + idleMsMax
    return session
  }

  end(token: string): void {
    const session = this.sessions.get(token)
    if (!session) return
    destroyKey(session.key)
    this.sessions.delete(token)
    this.onEnd(token)
  }

  /** Ends every session whose idle time is over. Called now and then, so that keys do not linger. */
  sweep(): void {
    for (const token of [...this.sessions.keys()]) this.find(token)
  }

  endAll(): void {
    for (const token of [...this.sessions.keys()]) this.end(token)
  }

  private endOldest(): void {
    const oldest = [...this.sessions.values()].sort((left, right) => left.expires - right.expires)[0]
    if (oldest) this.end(oldest.token)
  }
}

export function sessionView(session: PersonSession): Session {
  const person = { entity: bytesToHex(session.entity), label: session.label, roles: session.roles }
  return { token: session.token, person, expires: session.expires }
}

export const readerOf = (session: Session): Uint8Array =>
  hexToBytes(session.person.entity) ?? new Uint8Array(32)
