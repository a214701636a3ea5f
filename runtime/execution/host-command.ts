// The host function by which `ward/governance`, and nobody else, commands the kernel.
import { equalBytes } from '../protocol/bytes.js'
import { statusOf } from '../protocol/error-codes.js'
import { tellRunning, type Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import { chargeCall, chargeFuel, guestBytes, requireUnsealed, requireWritable } from './guest-memory.js'
import { hostCaps } from './host-prices.js'
import { checkCommand } from './kernel-commands.js'

export const governanceAlias = 'ward/governance'

/**
 * 0; 1 when the command is only noted and waits for a second person; or the negated code of a command that
 * the kernel refuses. The reason in words goes to the diagnostics.
 */
export function kernelCommand(frame: Frame, pointer: number, length: number): number {
  const bytes = guestBytes(frame, pointer, length, hostCaps.commandBytes)
  chargeCall(frame, 'kernel_command', bytes.length)
  requireUnsealed(frame)
  requireWritable(frame)
  const { run, contract } = frame
  if (contract.alias !== governanceAlias) return stopFrame(frame, 'COMMAND_NOT_ALLOWED')
  // Whoever signed the transaction signed this command only when no other contract stands between them.
  const signer = equalBytes(frame.entry.caller, run.origin) ? run.origin : undefined
  const payer = {
    charge: (fuel: number): void => chargeFuel(frame, fuel),
    left: (): number => Number(frame.instance.fuel.value),
  }
  const checked = checkCommand(run, bytes.slice(), { signer, payer })
  // A module that was to be deployed may have been tried meanwhile.
  tellRunning(run, frame.entry, frame.depth)
  if (checked.ok) {
    if (checked.value === 'only checked') return 0
    run.effects.commands.push(checked.value)
    const { type } = checked.value
    return type === 'requestEnrolment' || type === 'requestValidators' ? 1 : 0
  }
  const text = `kernel command refused: ${checked.code}${checked.detail === undefined ? '' : `: ${checked.detail}`}`
  run.diagnostics.push({ transactionId: run.id, alias: contract.alias, text })
  run.refusal = { code: checked.code, detail: checked.detail }
  return -statusOf(checked.code)
}
