// One start of a real node on a folder that may be damaged, in a process of its own: unlocks, signs in, reads
// everything, closes. Its one line on standard output says what a person would be told.
//   "ok <digest>"        everything could be read; the digest is of all that was read
//   "refused <code> ..." the node, or one of the readings, said no
import { writeSync } from 'node:fs'
import { createHash } from 'node:crypto'
import type { Outcome } from '../api/node-port.js'
import { createNodeLogger } from './node-logger.js'
import { personPassword, storePassword } from './single-node.fixture.js'
import { WardNode } from './ward-node.js'

const [folder, person, ...transactions] = process.argv.slice(2)
const via = { application: 'test' }

class Refused extends Error {}

function must<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw new Refused(`${outcome.code} ${outcome.detail ?? ''}`)
}

async function readAll(node: WardNode): Promise<unknown[]> {
  must(await node.unlock(storePassword.slice()))
  const session = must(await node.signIn(person, personPassword.slice()))
  const { patients, ...pin } = must(await node.patients(session, via))
  const lists: unknown[] = [pin, patients]
  for (const { patient } of patients) {
    for (const kind of ['admission', 'observation'] as const) {
      const page = { patient, kind, limit: 100, order: 'oldest' as const, ...via }
      lists.push(must(await node.records(session, page)))
    }
  }
  for (const id of transactions) lists.push(must(await node.transaction(id)))
  lists.push(must(await node.versions('')).aliases)
  return lists
}

async function main(): Promise<string> {
  try {
    const node = new WardNode(folder, createNodeLogger('damage', 'silent'))
    try {
      const digest = createHash('sha256').update(JSON.stringify(await readAll(node)))
      return `ok ${digest.digest('hex')}`
    } finally {
      await node.close()
    }
  } catch (error) {
    if (error instanceof Refused) return `refused ${error.message}`
    const { code, message } = error as { code?: string; message: string }
    return code === undefined ? `wrong: an error without a code: ${message}` : `refused ${code} ${message}`
  }
}

writeSync(1, `${(await main()).replaceAll('\n', ' ')}\n`)
process.exit(0)
