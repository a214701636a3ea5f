// The signature of an institution key under what enough of them must sign: a recovery, a forced set.
import { bytesToHex, equalBytes, type KeySignature } from '../../runtime/protocol/index.js'
import { openReleaseKey } from '../../host/appliance/release-key.js'
import { destroyKey, signDetached } from '../../host/keys/crypto.js'
import { readPassword } from './password.js'

/** Asks the key's password; an earlier signature of the same key gives way. Throws RELEASE_KEY_REJECTED. */
export async function addSignature(
  keyFile: string,
  bytes: Uint8Array,
  before: readonly KeySignature[],
): Promise<{ all: KeySignature[]; by: string }> {
  const password = await readPassword('Password of the institution key')
  const key = await openReleaseKey(keyFile, password).finally(() => password.fill(0))
  try {
    const signature = signDetached(key, bytes)
    const others = before.filter((entry) => !equalBytes(entry.key, key.publicKey))
    const all = [...others, { key: new Uint8Array(key.publicKey), signature }]
    return { all, by: bytesToHex(key.publicKey).slice(0, 16) }
  } finally {
    destroyKey(key)
  }
}
