// A release key: signs images. Its secret half lies in a file under a password, like a person's key.
import { readFileSync, writeFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '../../runtime/protocol/index.js'
import type { SigningKey } from '../keys/crypto.js'
import { createPersonKeystore, openPersonKeystore, type KdfCost } from '../keys/person-keystore.js'
import { ApplianceError } from './appliance-error.js'
import { canonicalJson } from './canonical-json.js'

interface ReleaseKeyFile {
  type: 'release-key'
  publicKey: string
  keystore: string
}

/** Makes a key and writes its file (never over another one). Returns the public half. */
export async function createReleaseKey(
  file: string,
  password: Uint8Array,
  cost?: KdfCost,
): Promise<Uint8Array> {
  const { publicKey, keystore } = await createPersonKeystore(password, cost)
  const content = { type: 'release-key', publicKey: bytesToHex(publicKey), keystore: bytesToHex(keystore) }
  writeFileSync(file, canonicalJson(content), { mode: 0o600, flag: 'wx' })
  return publicKey
}

/** Throws RELEASE_KEY_REJECTED for a wrong password or a file that is none. The caller zeroes the key. */
export async function openReleaseKey(file: string, password: Uint8Array): Promise<SigningKey> {
  const { publicKey, keystore } = readReleaseKey(file)
  const opened = await openPersonKeystore(keystore, publicKey, password)
  if (!opened.ok) throw new ApplianceError('RELEASE_KEY_REJECTED', file)
  return opened.value
}

/** The public key of a release key's file, or 64 hex digits as they are. */
export function releasePublicKey(text: string): Uint8Array {
  const given = /^[0-9a-f]{64}$/.test(text) ? hexToBytes(text) : undefined
  return given ?? readReleaseKey(text).publicKey
}

function readReleaseKey(file: string): { publicKey: Uint8Array; keystore: Uint8Array } {
  try {
    const content = JSON.parse(readFileSync(file, 'utf8')) as Partial<ReleaseKeyFile>
    const publicKey = hexToBytes(content.publicKey ?? '')
    const keystore = hexToBytes(content.keystore ?? '')
    if (content.type !== 'release-key' || publicKey?.length !== 32 || !keystore) throw new Error('layout')
    return { publicKey, keystore }
  } catch (error) {
    throw new ApplianceError('RELEASE_KEY_REJECTED', `${file} is not a release key`, error)
  }
}
