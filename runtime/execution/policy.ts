// The kernel's question to `ward/policy`: may this author append this record? An answer depends on the
// question, the policy's code and its store alone, and whether it comes to one on the prices too: it is kept
// until one of them changes; it costs the same kept or not.
import { decodeBorsh, encodeBorsh } from '../protocol/borsh.js'
import { bytesToHex } from '../protocol/bytes.js'
import { kernelEntity } from '../protocol/entity.js'
import { zeroHash } from '../protocol/hash.js'
import { mayAppendInput, policyAnswer } from '../protocol/record-bodies.js'
import { assert } from '../protocol/result.js'
import { STACK_BYTES_MAX } from '../module/index.js'
import { byteText } from './byte-text.js'
import { activeContract, type Contract } from './contracts.js'
import { runFrame, trigger } from './frame.js'
import { createRun, type Kernel, type Run } from './kernel.js'
import { kernelPrices } from './host-prices.js'

export const policyAlias = 'ward/policy'

export interface PolicyQuestion {
  author: Uint8Array
  patient: Uint8Array
  kind: number
  code: string
}

export type PolicyAnswer =
  | { allowed: true; grant: string; validUntil: number }
  | { allowed: false; missing: string }
  | { failed: true }

/** Answers given in this block, and the policy version that they belong to. */
export interface PolicyMemo {
  version: string
  answers: Map<string, PolicyAnswer>
}

export const createPolicyMemo = (): PolicyMemo => ({ version: '', answers: new Map() })

/** Answers kept at a time; about 200 bytes each. */
const answersMax = 20_000

/** The answer for one record, at the block's time: an answer that is no longer valid is a refusal. */
export function askMayAppend(kernel: Kernel, question: PolicyQuestion, asker?: Run): PolicyAnswer {
  const contract = activeContract(kernel, policyAlias)
  if (contract === undefined) return { failed: true }
  // An answer that is remembered has no frames to show: whoever listens hears it asked again.
  const isTraced = asker?.trace !== undefined
  const answer = isTraced
    ? runPolicy(kernel, contract, question, asker)
    : keptAnswer(kernel, contract, question, asker)
  if ('failed' in answer || !answer.allowed) return answer
  const expired = answer.validUntil !== 0 && answer.validUntil < kernel.time
  return expired ? { allowed: false, missing: `grant ${answer.grant} ended` } : answer
}

function keptAnswer(
  kernel: Kernel,
  contract: Contract,
  question: PolicyQuestion,
  asker: Run | undefined,
): PolicyAnswer {
  const memo = memoFor(kernel, contract)
  const { author, patient, kind, code } = question
  const key = `${byteText(author)}${byteText(patient)}${kind}/${code}`
  const kept = memo.get(key)
  if (kept !== undefined) return kept
  if (memo.size >= answersMax) memo.clear()
  const answer = runPolicy(kernel, contract, question, asker)
  memo.set(key, answer)
  return answer
}

/**
 * While the block has not written to the policy's store its sub-root at the parent names the version, and
 * answers live across blocks under the same prices. After a write, answers live as long as the overlay's
 * revision of that store.
 */
function memoFor(kernel: Kernel, contract: Contract): Map<string, PolicyAnswer> {
  const revision = kernel.overlay.revision(policyAlias)
  const { fuelSchedule, instrumenter } = kernel.chain
  const code = `${fuelSchedule}/${instrumenter}/${byteText(contract.address)}`
  if (revision !== 0) return memoOf(kernel.policy, `${revision}/${code}`)
  // Neither the parent nor the alias changes during a block, so the version is looked at once.
  if (!kernel.policyChecked) {
    const root = byteText(kernel.parent.subRoot(policyAlias))
    memoOf(kernel.cache.policy, `${root}/${code}`)
    kernel.policyChecked = true
  }
  return kernel.cache.policy.answers
}

/** The memo's answers, emptied when they belong to another version. */
function memoOf(memo: PolicyMemo, version: string): Map<string, PolicyAnswer> {
  if (memo.version !== version) {
    memo.version = version
    memo.answers.clear()
  }
  return memo.answers
}

function runPolicy(
  kernel: Kernel,
  contract: Contract,
  question: PolicyQuestion,
  asker: Run | undefined,
): PolicyAnswer {
  const input = encodeBorsh(mayAppendInput, question)
  assert(input.ok, 'a question fits its schema')
  const method = contract.methods.get('mayAppend')
  const run = createRun(kernel, zeroHash, kernelEntity)
  // The policy sees no transaction; trace and watch tell its frames as part of the one that asks.
  run.trace = asker?.trace && ((event) => asker.trace?.({ ...event, transactionId: asker.id }))
  if (asker !== undefined) run.watchedAs = asker.watchedAs
  const outcome = runFrame(run, {
    contract,
    method: 'mayAppend',
    kinds: ['system', 'view'],
    input: input.value,
    caller: kernelEntity,
    trigger: trigger.view,
    readOnly: true,
    sealed: true,
    fuel: Math.min(method?.fuel ?? 0, kernelPrices.policyFuelMax),
    stackLeft: STACK_BYTES_MAX,
  })
  if (!outcome.ok) return { failed: true }
  const decoded = decodeBorsh(policyAnswer, outcome.returned)
  if (!decoded.ok) return { failed: true }
  const answer = decoded.value as {
    allowed: boolean
    grant: Uint8Array
    validUntil: bigint
    missing: string
  }
  if (!answer.allowed) return { allowed: false, missing: answer.missing }
  const endless = answer.validUntil === 0n || answer.validUntil > BigInt(Number.MAX_SAFE_INTEGER)
  return {
    allowed: true,
    grant: bytesToHex(answer.grant),
    validUntil: endless ? 0 : Number(answer.validUntil),
  }
}
