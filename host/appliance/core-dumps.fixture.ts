// Holds a secret in memory and dies as by a fault of its own. Argument: `deny` or `allow`.
import { denyCoreDumps } from './core-dumps.js'

const secret = Buffer.from('tervaskanto'.repeat(1_000).split('').reverse().join(''))
if (process.argv[2] === 'deny') process.stdout.write(JSON.stringify(denyCoreDumps()))
process.nextTick(() => {
  if (secret.length > 0) process.abort()
})
