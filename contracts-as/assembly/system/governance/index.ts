// `ward/governance`: the only contract that commands the kernel. Each method asks `ward/policy`, then hands
// over one command (u8 tag ‖ Borsh body), which the kernel checks at once and applies at the block
// boundary.
import { answer, Context, emitEvent, entityOf, input, requireGrant, refuse, Writer } from '../../sdk'
import { kernel_command } from '../../sdk/env'

const ALIAS = 'ward/governance'
const ADDRESSES_MAX: i32 = 64
const VALIDATORS_MAX: i32 = 31

namespace Command {
  export const Deploy: u8 = 1
  export const Activate: u8 = 2
  export const AddEntity: u8 = 3
  export const AddKey: u8 = 4
  export const RevokeKey: u8 = 5
  export const SetValidators: u8 = 6
  export const LiftQuarantine: u8 = 7
  export const ErasePatient: u8 = 8
}

/**
 * {manifest, code}: hashes of two attachments of the same transaction. The caller becomes the version's
 * vendor.
 */
export function deploy(): void {
  const context = allowed('deploy')
  const reader = input()
  const manifest = reader.fixed(32)
  const code = reader.fixed(32)
  reader.end()
  issue(new Writer().u8(Command.Deploy).fixed(context.caller).fixed(manifest).fixed(code))
  emitEvent('deployed', new Writer().fixed(manifest).fixed(code))
}

/** {addresses}: several aliases switch together at the block's end, or none. */
export function activate(): void {
  allowed('activate')
  const reader = input()
  const count = reader.count(ADDRESSES_MAX)
  const command = new Writer().u8(Command.Activate).u32(count)
  const event = new Writer().u32(count)
  for (let index = 0; index < count; index++) {
    const address = reader.fixed(32)
    command.fixed(address)
    event.fixed(address)
  }
  reader.end()
  issue(command)
  emitEvent('activated', event)
}

/** {kind, publicKey} -> {entity}: a new identity, named by its first key. */
export function enrol(): void {
  allowed('enrol')
  const reader = input()
  const kind = reader.u8()
  const publicKey = reader.fixed(32)
  reader.end()
  const entity = entityOf(publicKey)
  issue(new Writer().u8(Command.AddEntity).fixed(entity).u8(kind).fixed(publicKey))
  emitEvent('enrolled', new Writer().fixed(entity).u8(kind))
  answer(new Writer().fixed(entity))
}

/** {entity, publicKey}: a further key of an identity. */
export function addKey(): void {
  allowed('addKey')
  const reader = input()
  const entity = reader.fixed(32)
  const publicKey = reader.fixed(32)
  reader.end()
  issue(new Writer().u8(Command.AddKey).fixed(entity).fixed(publicKey))
  emitEvent('key-added', new Writer().fixed(entity))
}

/** {keyId}. */
export function revokeKey(): void {
  allowed('revokeKey')
  const reader = input()
  const keyId = reader.fixed(16)
  reader.end()
  issue(new Writer().u8(Command.RevokeKey).fixed(keyId))
  emitEvent('key-revoked', new Writer().fixed(keyId))
}

/** {validators: [{entity, voteKey}]}: the whole new set. */
export function setValidators(): void {
  allowed('setValidators')
  const reader = input()
  const count = reader.count(VALIDATORS_MAX)
  const command = new Writer().u8(Command.SetValidators).u32(count)
  for (let index = 0; index < count; index++) command.fixed(reader.fixed(32)).fixed(reader.fixed(32))
  reader.end()
  issue(command)
  emitEvent('validators-set', new Writer().u32(count))
}

function allowed(method: string): Context {
  const context = new Context()
  requireGrant(context, ALIAS, method)
  return context
}

/** {alias}: a rule that failed for several patients runs again. */
export function liftQuarantine(): void {
  allowed('liftQuarantine')
  const reader = input()
  const alias = reader.text(64)
  reader.end()
  issue(new Writer().u8(Command.LiftQuarantine).text(alias))
  emitEvent('quarantine-lifted', new Writer().text(alias))
}

/** {patient}: from the block's end on, nothing of this patient can be read anywhere. */
export function erasePatient(): void {
  allowed('erasePatient')
  const reader = input()
  const patient = reader.fixed(16)
  reader.end()
  issue(new Writer().u8(Command.ErasePatient).fixed(patient))
  emitEvent('patient-erased', new Writer().fixed(patient))
}

/** The kernel's refusal becomes ours, with the same number. */
function issue(command: Writer): void {
  const bytes = command.finish()
  const status = kernel_command(changetype<usize>(bytes), bytes.length)
  if (status < 0) refuse(-status, 'the kernel refused the command')
}
