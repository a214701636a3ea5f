// Who can sign in at this node: the people of the founding document and those whom governance enrolled since.
// The chain says who they are and which wrapping of their key is the newest one; the founding document's
// wrapping counts until its person has set another.
import {
  bytesToHex,
  decodeBorsh,
  encodeBorsh,
  entityKind,
  hexToBytes,
  type Schema,
} from '../../runtime/protocol/index.js'
import type { PersonView } from '../api/node-port.js'
import type { CommitReply, PersonEntry } from '../executor/messages.js'
import type { RunningNode } from './running-node.js'
import { askState } from './state-questions.js'

const governance = 'ward/governance'
const policy = 'ward/policy'
const fixed32: Schema = { fixed: 32 }
const entityArgument: Schema = { struct: [['entity', fixed32]] }
const peopleArgument: Schema = { struct: [['after', 'u64']] }
const keystoreAnswer: Schema = { struct: [['keystore', { option: 'bytes' }]] }
const rolesAnswer: Schema = { vec: 'string' }
const peopleAnswer: Schema = {
  vec: {
    struct: [
      ['number', 'u64'],
      ['entity', fixed32],
      ['publicKey', fixed32],
      ['label', 'string'],
    ],
  },
}
/** As `ward/governance.people` gives them at a time. */
const pageRows = 100

interface EnrolledRow {
  number: bigint
  entity: Uint8Array
  publicKey: Uint8Array
  label: string
}

export class PeopleBook {
  private readonly entries = new Map<string, PersonEntry>()
  private refreshing: Promise<void> = Promise.resolve()
  private newest = 0n

  constructor(private readonly node: Pick<RunningNode, 'open' | 'executor' | 'readers' | 'entity'>) {
    for (const entry of node.open.entities) this.entries.set(bytesToHex(entry.entity), entry)
  }

  /** Call once at the start, then `onCommit`. */
  refresh(): Promise<void> {
    this.refreshing = this.refreshing.then(() => this.readNew()).catch(() => undefined)
    return this.refreshing
  }

  onCommit(commit: Pick<CommitReply, 'receipts'>): void {
    const ran = (method: string): boolean => commit.receipts.some(({ target }) => target.startsWith(method))
    if (ran(`${governance}.enrolPerson`)) void this.refresh()
    // Seldom enough to ask for everybody.
    if (ran(`${policy}.assignRole`) || ran(`${policy}.removeRole`)) {
      this.refreshing = this.refreshing.then(() => this.readRoles()).catch(() => undefined)
    }
  }

  /** By all blocks that this node has announced. */
  async signers(): Promise<PersonView[]> {
    await this.refreshing
    return [...this.entries.values()].filter(({ keystore }) => keystore.length > 0).map(viewOf)
  }

  person(entity: Uint8Array): PersonView {
    return this.known(entity) ?? { entity: bytesToHex(entity), label: '', roles: [] }
  }

  known(entity: Uint8Array): PersonView | undefined {
    const entry = this.entries.get(bytesToHex(entity))
    return entry && viewOf(entry)
  }

  /** With the newest wrapping and the roles as the chain has them now; undefined: cannot sign in here. */
  async entry(person: string): Promise<PersonEntry | undefined> {
    await this.refreshing
    const entry = this.entries.get(person)
    const entity = hexToBytes(person)
    if (!entry || !entity || entry.keystore.length === 0) return undefined
    const [keystore, roles] = await Promise.all([this.keystoreOf(entity), this.rolesOf(entity)])
    const current = { ...entry, keystore: keystore ?? entry.keystore, roles: roles ?? entry.roles }
    this.entries.set(person, current)
    return current
  }

  /** Pages overlap by one height, so that of people enrolled in one block none is passed over. */
  private async readNew(): Promise<void> {
    for (;;) {
      const after = this.newest === 0n ? 0n : this.newest - 1n
      const rows = await this.ask<EnrolledRow[]>(
        governance,
        'people',
        [peopleArgument, { after }],
        peopleAnswer,
      )
      if (rows === undefined) return
      for (const row of rows) await this.add(row)
      const last = rows.at(-1)?.number ?? this.newest
      if (rows.length < pageRows || last === this.newest) return
      this.newest = last
    }
  }

  private async readRoles(): Promise<void> {
    for (const entry of this.entries.values()) {
      if (entry.keystore.length > 0) entry.roles = (await this.rolesOf(entry.entity)) ?? entry.roles
    }
  }

  private async add({ entity, publicKey, label }: EnrolledRow): Promise<void> {
    const id = bytesToHex(entity)
    if (this.entries.has(id)) return
    const [keystore, roles] = await Promise.all([this.keystoreOf(entity), this.rolesOf(entity)])
    if (keystore === undefined) return
    this.entries.set(id, {
      entity,
      publicKey,
      label,
      kind: entityKind.person,
      roles: roles ?? [],
      keystore,
    })
  }

  private async keystoreOf(entity: Uint8Array): Promise<Uint8Array | undefined> {
    const argument: Argument = [entityArgument, { entity }]
    type Answer = { keystore: Uint8Array | null }
    const answer = await this.ask<Answer>(governance, 'keystoreOf', argument, keystoreAnswer)
    return answer?.keystore ?? undefined
  }

  private rolesOf(entity: Uint8Array): Promise<string[] | undefined> {
    return this.ask<string[]>(policy, 'rolesOfEntity', [entityArgument, { entity }], rolesAnswer)
  }

  /** Undefined on a chain whose contract does not know the question. */
  private async ask<T>(
    target: string,
    method: string,
    [schema, value]: Argument,
    answers: Schema,
  ): Promise<T | undefined> {
    const args = encodeBorsh(schema, value)
    if (!args.ok) throw new Error(`${target} ${method}: ${args.detail ?? args.code}`)
    const caller = this.node.entity
    const answer = await askState(this.node, 'view', { target, method, args: args.value, caller })
    const decoded = answer.ok ? decodeBorsh(answers, answer.returned) : undefined
    return decoded?.ok ? (decoded.value as T) : undefined
  }
}

type Argument = [Schema, Record<string, unknown>]

const viewOf = ({ entity, label, roles }: PersonEntry): PersonView => ({
  entity: bytesToHex(entity),
  label,
  roles,
})
