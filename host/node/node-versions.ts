// `/v1/versions`: what is deployed, as JSON with names of persons. Nothing here is about patients.
import { bytesToHex, ok, type Manifest } from '../../runtime/protocol/index.js'
import { kernelEntity } from '../../runtime/protocol/entity.js'
import type {
  AliasView,
  Outcome,
  PersonView,
  Pinned,
  RuleSelector,
  VersionView,
  VersionsView,
} from '../api/node-port.js'
import { recordKindNameOf } from '../api/views.js'
import type { AliasReply, VersionReply } from '../executor/messages.js'
import { pinnedOf, type NodeReads } from './node-reads.js'
import type { RunningNode } from './running-node.js'

/** An empty `alias` asks for all. */
export async function readVersions(
  node: RunningNode,
  reads: NodeReads,
  alias: string,
): Promise<Outcome<Pinned & VersionsView>> {
  const { pin, aliases, schedules } = await node.executor.call('versions', { alias })
  const person = (entity: Uint8Array): PersonView => named(reads, entity)
  return ok({
    ...pinnedOf(pin),
    aliases: aliases.map((entry) => aliasView(entry, person)),
    schedules: schedules.map(({ schedule, at, by, addresses }) => ({
      schedule: bytesToHex(schedule),
      at,
      by: person(by),
      addresses: addresses.map(bytesToHex),
    })),
  })
}

/** What the chain was founded with has no vendor and no approver but the founding itself. */
function named(reads: NodeReads, entity: Uint8Array): PersonView {
  const isFounding = bytesToHex(entity) === bytesToHex(kernelEntity)
  return isFounding
    ? { entity: bytesToHex(entity), label: 'the founding', roles: [] }
    : reads.person(entity)
}

function aliasView(reply: AliasReply, person: (entity: Uint8Array) => PersonView): AliasView {
  const { alias, quarantinedAt, dependants, versions } = reply
  return {
    alias,
    quarantinedAt: quarantinedAt === 0 ? null : quarantinedAt,
    dependants: dependants.map((entry) => ({ ...entry, address: bytesToHex(entry.address) })),
    versions: versions.map((version) => versionView(version, person)),
  }
}

function versionView(reply: VersionReply, person: (entity: Uint8Array) => PersonView): VersionView {
  const { address, manifest, vendor, approver, approvedAt, deployedAt, activatedAt, active, frozenSince } =
    reply
  return {
    address: bytesToHex(address),
    version: manifest.version,
    type: manifest.type,
    title: manifest.title,
    purpose: manifest.purpose,
    population: manifest.population,
    reviewer: manifest.reviewer,
    evidence: manifest.evidence,
    migrateVersion: manifest.migrateVersion,
    migrates: manifest.methods.some(({ name, kind }) => name === 'migrate' && kind === 'system'),
    reads: selectors(manifest.reads),
    emits: selectors(manifest.emits),
    listensTo: selectors(manifest.subscriptions),
    calls: manifest.calls,
    methods: manifest.methods.map(({ name, kind }) => `${kind} ${name}`),
    vendor: person(vendor),
    approvedBy: approver === null ? null : person(approver),
    approvedAt,
    deployedAt,
    activatedAt,
    active,
    frozenSince,
  }
}

const selectors = (list: Manifest['reads']): RuleSelector[] =>
  list.flatMap(({ kind, codes }) => {
    const name = recordKindNameOf(kind)
    return name === undefined ? [] : [{ kind: name, codes }]
  })
