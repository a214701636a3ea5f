// A person's keystore opens with the right password only, and any altered byte closes it.
import t from 'tap'
import { createPersonKeystore, openPersonKeystore } from './person-keystore.js'
import { signDetached, verifySignature } from './crypto.js'

const cheap = { opsLimit: 1, memoryMiB: 8 }
const password = new TextEncoder().encode('correct horse battery')

t.test('opens, signs, and refuses everything else', async (t) => {
  const { publicKey, keystore } = await createPersonKeystore(password, cheap)
  const opened = await openPersonKeystore(keystore, publicKey, password)
  if (!opened.ok) throw new Error('did not open')
  const message = new Uint8Array([1, 2, 3])
  t.ok(verifySignature(publicKey, message, signDetached(opened.value, message)))
  t.match(await openPersonKeystore(keystore, publicKey, new Uint8Array([1])), { code: 'SIGN_IN_REJECTED' })
  t.match(await openPersonKeystore(keystore, new Uint8Array(32), password), { code: 'SIGN_IN_REJECTED' })
  t.match(await openPersonKeystore(keystore.slice(1), publicKey, password), { code: 'SIGN_IN_REJECTED' })
  for (const offset of [0, 4, 9, 30, 60, keystore.length - 1]) {
    const altered = keystore.slice()
    altered[offset] ^= 1
    t.match(
      await openPersonKeystore(altered, publicKey, password),
      { code: 'SIGN_IN_REJECTED' },
      `byte ${offset}`,
    )
  }
})

t.test('signatures of edge keys are refused as libsodium does', async (t) => {
  // The identity point as key and R with S = 0: some verifiers accept it; a split between replicas must
  // not exist.
  const identity = new Uint8Array(32)
  identity[0] = 1
  const signature = new Uint8Array(64)
  signature[0] = 1
  t.equal(verifySignature(identity, new Uint8Array([1]), signature), false)
  t.equal(verifySignature(new Uint8Array(31), new Uint8Array([1]), signature), false)
  t.equal(verifySignature(identity, new Uint8Array([1]), new Uint8Array(63)), false)
})
