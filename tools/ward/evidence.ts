// `ward network evidence`: vote keys that contradicted themselves, as the chain keeps it. Each proof is
// checked again here from its bytes: who reads this need not believe the node that answered.
import type { Command } from 'commander'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import { doContradict, placeOfSigned } from '../../consensus/pbft/index.js'
import type { EquivocationJson, NetworkJson } from '../../host/api/network-json.js'
import { verifySignature } from '../../host/keys/crypto.js'
import { connect, must, type NodeChoice } from './connect.js'
import { visibleText } from './visible-text.js'

export function addEvidenceCommand(network: Command): void {
  network
    .command('evidence')
    .description('proofs on the chain that a vote key signed two contradicting messages')
    .option('--dir <folder>', "the node's folder")
    .option('--api <url>', 'address of its local API')
    .option('--json', 'one JSON object a line')
    .action(async (options: NodeChoice & { json?: boolean }) => {
      const view = must(await connect(options).network())
      const proofs = view.equivocations.map((proof) => ({
        ...proof,
        isGenuine: isGenuine(proof, view.chainId),
      }))
      if (options.json)
        return void process.stdout.write(proofs.map((proof) => `${JSON.stringify(proof)}\n`).join(''))
      process.stdout.write(proofs.length === 0 ? 'none\n' : proofs.map((it) => lineOf(it, view)).join(''))
    })
}

/**
 * Both messages are signed with the key, no correct validator signs both, and they say what the node says of
 * them: chain, phase, epoch, height and view. Whose key it is, the bytes do not tell.
 */
export function isGenuine(proof: EquivocationJson, chainId: string): boolean {
  const { key, firstSignature, secondSignature } = proof
  const [first, second] = [proof.first, proof.second].map(hexToBytes)
  if (first === undefined || second === undefined || !doContradict(first, second)) return false
  const place = placeOfSigned(first)
  const isAsTold =
    place?.phase === proof.phase &&
    bytesToHex(place.chainId) === chainId &&
    place.epoch === proof.epoch &&
    String(place.height) === String(proof.height) &&
    // A heartbeat counts in whatever view; the node tells that of the first.
    place.view === proof.view
  const isSigned = (bytes: Uint8Array, signature: string): boolean => {
    const [publicKey, signed] = [key, signature].map(hexToBytes)
    if (publicKey?.length !== 32 || signed?.length !== 64) return false
    return verifySignature(publicKey, bytes, signed)
  }
  return isAsTold && isSigned(first, firstSignature) && isSigned(second, secondSignature)
}

function lineOf(proof: EquivocationJson & { isGenuine: boolean }, view: NetworkJson): string {
  const nameOf = (entity: string): string =>
    visibleText(view.nodes.find((node) => node.entity === entity)?.name ?? entity.slice(0, 16))
  const voting = view.validators.some(({ voteKey }) => voteKey === proof.key)
  const [first, second] = [proof.first, proof.second].map(pairOf)
  return (
    `${nameOf(proof.accused)}  ${proof.phase} twice at height ${proof.height}, view ${proof.view}, epoch ${proof.epoch}\n` +
    `  key ${proof.key.slice(0, 16)}, ${voting ? 'which votes now' : 'which does not vote now'}\n` +
    `  signed ${first} and ${second}: ${proof.isGenuine ? 'both signatures are good and contradict' : 'NOT PROVED by its bytes'}\n` +
    `  reported by ${nameOf(proof.reporter)}, block ${proof.keptAt}\n`
  )
}

/** The end of what was signed, where two messages of one place differ. */
function pairOf(message: string): string {
  const bytes = hexToBytes(message) ?? new Uint8Array(0)
  return bytesToHex(bytes.slice(-64)).replace(/^(.{8}).*(.{8})$/, '$1..$2')
}
