// What is deployed here: versions of every alias, who signed and approved them, who depends on whom, which
// activations wait for their time, and which rules are quarantined.
import { decodeBorsh } from '../../runtime/protocol/index.js'
import {
  callView,
  dependantsOf,
  listAliases,
  readHealth,
  versionsOf,
  type ModuleCache,
  type ParentState,
  type VersionInfo,
} from '../../runtime/execution/index.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import type { AliasReply, QuarantineEntry, ScheduleReply, VersionReply } from './messages.js'

const ports = { hash: sha256, verify: verifySignature }
const governance = 'ward/governance'

/** One alias, or all when `alias` is empty; sorted by alias, versions in the order of deployment. */
export function aliasReplies(state: ParentState, alias: string): AliasReply[] {
  const aliases = listAliases(state).filter((known) => alias === '' || known === alias)
  return aliases.map((known) => ({
    alias: known,
    quarantinedAt: quarantinedAt(state, known),
    dependants: dependantsOf(state, known).map((info) => ({
      ...{ alias: info.alias, version: info.manifest.version, address: info.address },
    })),
    versions: versionsOf(state, known).map(versionReply),
  }))
}

function versionReply(info: VersionInfo): VersionReply {
  const { address, manifest, vendor, deployedAt, activatedAt, active, approval, frozenSince } = info
  return {
    address,
    manifest,
    vendor,
    deployedAt,
    activatedAt,
    active,
    approver: approval?.approver ?? null,
    approvedAt: approval === undefined ? null : Number(approval.height),
    frozenSince: frozenSince ?? null,
  }
}

/** Block time, ms, since which governance or the kernel keeps a rule from running; 0: it runs. */
const quarantinedAt = (state: ParentState, alias: string): number =>
  Number(readHealth(state, alias)?.quarantinedAt ?? 0n)

export function quarantined(state: ParentState): QuarantineEntry[] {
  return listAliases(state)
    .map((alias) => ({ alias, since: quarantinedAt(state, alias) }))
    .filter(({ since }) => since !== 0)
}

/** Asked of the governance contract itself; none where its active version knows no schedules. */
export function scheduleReplies(
  state: ParentState,
  at: { height: number; time: number },
  cache: ModuleCache,
): ScheduleReply[] {
  const active = versionsOf(state, governance).find((version) => version.active)
  const method = active?.manifest.methods.find(({ name }) => name === 'scheduled')
  if (method === undefined) return []
  const call = { target: governance, method: 'scheduled', args: new Uint8Array(0) }
  const answer = callView(state, call, at, cache, ports)
  const decoded = answer.ok ? decodeBorsh(method.output, answer.value.returned) : undefined
  if (!decoded?.ok) return []
  const { schedules } = decoded.value as { schedules: (Omit<ScheduleReply, 'at'> & { at: bigint })[] }
  return schedules.map((entry) => ({ ...entry, at: Number(entry.at) }))
}
