// `ward init node`: makes a node's folder, its keyslot and its keys, where they stay; prints nothing but
// a public card.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { destroyIdentity, encodeIdentity, generateNodeIdentity } from '../keys/node-identity.js'
import { nodeFiles, writeNodeConfig, type NodeConfig } from '../node/node-config.js'
import { NodeError } from '../node/node-error.js'
import { createKeyslotFile, writeSealedFile, type KdfCost } from '../store/index.js'
import { encodeCard, type NodeCard } from './cards.js'

export interface InitNodeOptions {
  folder: string
  config: NodeConfig
  /** Store password; the caller zeroes it. */
  password: Uint8Array
  /** Cost of the password's derivation; default as in host/store. */
  cost?: KdfCost
}

/** Throws NodeError FOLDER_NOT_EMPTY, PASSWORD_EMPTY and StoreError. */
export async function initNode(options: InitNodeOptions): Promise<NodeCard> {
  const { folder, config, password } = options
  if (password.length === 0) throw new NodeError('PASSWORD_EMPTY')
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new NodeError('FOLDER_NOT_EMPTY', folder)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const files = nodeFiles(folder)
  const identity = generateNodeIdentity(config.sources.map((source) => source.name))
  const dataKey = await createKeyslotFile(
    files.keyslots,
    password,
    options.cost ? { cost: options.cost } : {},
  )
  try {
    const bytes = encodeIdentity(identity)
    writeSealedFile(files.identity, dataKey, bytes)
    bytes.fill(0)
  } finally {
    dataKey.close()
  }
  const card: NodeCard = {
    type: 'node',
    name: config.name,
    role: config.role,
    voteKey: identity.vote.publicKey,
    transportKey: identity.transport.publicKey,
    host: config.host,
    port: config.port,
    sources: [...identity.sources].map(([name, key]) => ({ name, publicKey: key.publicKey })),
  }
  destroyIdentity(identity)
  writeNodeConfig(folder, config)
  writeFileSync(files.card, encodeCard(card))
  return card
}
