// `ward proof` makes a proof file at a running node; `ward verify` checks one anywhere, without a node.
import { readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { decodeRecordBody } from '../../host/api/borsh-json.js'
import type { ProofOf } from '../../host/api/node-port.js'
import { recordKindNameOf } from '../../host/api/views.js'
import { anchorOf } from '../../runtime/light/index.js'
import {
  bytesToHex,
  chainIdOf,
  decodeGenesis,
  errorTable,
  genesisValidators,
  hexToBytes,
  validatorsHash,
} from '../../runtime/protocol/index.js'
import { decodeStateKey } from '../../runtime/state/index.js'
import { sha256 } from '../../host/keys/crypto.js'
import { verifyProofFile, type VerifiedProof } from '../verifier/index.js'
import { CommandError, exitStatus } from './command-error.js'
import { connect, must, signIn, type NodeChoice } from './connect.js'

interface ProofOptions extends NodeChoice, Partial<Record<ProofOf['about'], string>> {
  as: string
  out?: string
}

interface VerifyOptions {
  anchor?: string
  genesis?: string
  json?: boolean
}

export function addProofCommands(program: Command): void {
  program
    .command('proof')
    .description('a file that proves to anybody what is on the chain, or that it is not')
    .option('--dir <folder>', "the node's folder")
    .option('--api <url>', 'address of its local API')
    .requiredOption('--as <label>', 'person to sign in as; the second password is asked')
    .option('--record <id>', 'a record with its body: 64 hex digits')
    .option('--patient <id>', 'how many records a patient has: 32 hex digits')
    .option('--alias <vendor/name>', 'which version is active')
    .option('--grant <id>', 'a grant: 32 hex digits')
    .option('--out <file>', 'where to write it; standard output when left out')
    .addHelpText(
      'after',
      `
The file holds what it proves in the clear, and the chain's leaf salt: give it to those who may see it.
After a recovery it also holds the founding document (names, keys, contracts; some 150 KB) and the manifests.`,
    )
    .action(makeProof)
  program
    .command('verify')
    .description('check a proof file, offline: quorum signatures, certified root, inclusion or absence')
    .argument('<proof file>')
    .option('--anchor <hex>', 'the anchor that the hospital told you, 64 hex digits')
    .option('--genesis <file>', "the hospital's genesis document, instead of --anchor")
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      `
Everything rests on the anchor: it stands for the chain and its founding validators. Without one the
command prints the anchor of the file, to be compared with the hospital's by another way.
Exit status 1 [PROOF_REFUSED] when the proof does not hold.`,
    )
    .action(verify)
}

async function makeProof(options: ProofOptions): Promise<void> {
  const asked = (['record', 'patient', 'alias', 'grant'] as const).flatMap((about): ProofOf[] => {
    const name = options[about]
    return name === undefined ? [] : [{ about, name }]
  })
  if (asked.length !== 1) {
    throw new CommandError('USAGE', 'say one of --record, --patient, --alias, --grant', exitStatus.usage)
  }
  const client = connect(options)
  await signIn(client, options.as)
  try {
    const { document, exists, height } = must(await client.proof(asked[0]))
    if (options.out === undefined) process.stdout.write(document)
    else writeFileSync(options.out, document, { mode: 0o600 })
    const what = `${asked[0].about} ${asked[0].name}`
    const verdict = exists ? 'is on the chain' : 'is NOT on the chain'
    process.stderr.write(`proof at height ${height}: ${what} ${verdict}\n`)
  } finally {
    await client.signOut()
  }
}

function verify(file: string, options: VerifyOptions): void {
  const anchor = anchorFrom(options)
  const verified = verifyProofFile(readText(file), anchor)
  if (!verified.ok) {
    const detail = verified.detail === undefined ? '' : `: ${verified.detail}`
    throw new CommandError(
      'PROOF_REFUSED',
      `${errorTable.PROOF_REFUSED.sentence} (${verified.code}${detail})`,
    )
  }
  const view = viewOf(verified.value, anchor !== undefined)
  process.stdout.write(options.json ? `${JSON.stringify(view)}\n` : textOf(view))
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError('FILE_UNREADABLE', `${file}: ${(error as Error).message}`, exitStatus.usage)
  }
}

function anchorFrom({ anchor, genesis }: VerifyOptions): Uint8Array | undefined {
  if (anchor !== undefined) {
    const bytes = hexToBytes(anchor)
    if (bytes?.length === 32) return bytes
    throw new CommandError('USAGE', '--anchor has 64 hex digits', exitStatus.usage)
  }
  if (genesis === undefined) return undefined
  const bytes = new Uint8Array(readFileSync(genesis))
  const decoded = decodeGenesis(bytes)
  if (!decoded.ok) throw new CommandError(decoded.code, `${genesis} is not a genesis document`)
  const founding = validatorsHash(sha256, genesisValidators(decoded.value))
  return anchorOf(sha256, chainIdOf(sha256, bytes), founding)
}

interface ProofView {
  holds: true
  chainId: string
  anchor: string
  anchorChecked: boolean
  /** Above 0: institution keys named other validators, so many times. */
  epoch: number
  height: number
  blockTime: number
  stateRoot: string
  claims: { store: string; key: string; exists: boolean; value: string | null }[]
  record: {
    kind: string
    patient: string
    code: string
    effectiveTime: number
    author: string
    number: number
    height: number
    body: unknown
  } | null
}

function viewOf(proof: VerifiedProof, anchorChecked: boolean): ProofView {
  const { header, result } = proof.final
  return {
    holds: true,
    chainId: bytesToHex(header.chainId),
    anchor: bytesToHex(proof.anchor),
    anchorChecked,
    epoch: header.epoch,
    height: header.height,
    blockTime: header.time,
    stateRoot: bytesToHex(result.stateRoot),
    claims: proof.claims.map(({ store, key, value }) => {
      const place = decodeStateKey(key)
      return {
        store,
        key: bytesToHex(place?.kind === 'point' ? place.key : key),
        exists: value !== undefined,
        value: value === undefined ? null : bytesToHex(value),
      }
    }),
    record: recordView(proof),
  }
}

function recordView({ record, body }: VerifiedProof): ProofView['record'] {
  if (record === undefined) return null
  const { header } = record
  const kind = recordKindNameOf(header.kind)
  const decoded = kind && body ? decodeRecordBody(kind, body.content) : undefined
  return {
    kind: kind ?? String(header.kind),
    patient: bytesToHex(header.patient),
    code: header.code,
    effectiveTime: header.effectiveTime,
    author: bytesToHex(record.author),
    number: record.number,
    height: record.height,
    body: decoded?.ok ? decoded.value : null,
  }
}

function textOf(view: ProofView): string {
  const { record } = view
  const lines = [
    'the proof holds',
    `  chain      ${view.chainId}`,
    `  block      ${view.height}, ${new Date(view.blockTime).toISOString()}, signed by a quorum`,
    ...(view.epoch > 0
      ? [
          `  recovered  epoch ${view.epoch}: enough institution keys of the founding document named its validators`,
        ]
      : []),
    `  state root ${view.stateRoot}`,
    ...view.claims.map(
      ({ store, key, exists }) => `  ${exists ? 'present' : 'ABSENT '}    ${store} ${key}`,
    ),
  ]
  if (record !== null) {
    const { kind, code, patient, number, author, body } = record
    lines.push(
      `  record     ${kind} ${code}, number ${number} of patient ${patient}, by ${author.slice(0, 16)}`,
      `             ${body === null ? 'without its body (erased)' : JSON.stringify(body)}`,
    )
  }
  lines.push(
    view.anchorChecked
      ? `  anchor     ${view.anchor}, as you were told`
      : `  anchor     ${view.anchor}\n             NOT COMPARED: ask the hospital for its anchor before you rely on this`,
  )
  return `${lines.join('\n')}\n`
}
