// A machine that lost everything comes back as a newcomer would: an administrator's ticket, `ward join` into
// an empty folder with a new identity, and for a validator the place of the one that is gone.
import path from 'node:path'
import { rmSync } from 'node:fs'
import { CommandError } from '../ward/command-error.js'
import { must } from '../ward/connect.js'
import type { NodeStatus, Outcome } from '../../host/api/node-port.js'
import { runWard } from '../story/processes.js'
import { patienceMs, type StoryNetwork } from '../story/network.js'
import type { PlannedNode } from '../story/plan.js'

/** Changes of validators go one at a time and act two blocks later: what is refused now may be taken then. */
const passing = /VALIDATOR|QUORUM_AT_RISK|NODE_REFUSED|READINESS|NOT_FINAL_IN_TIME|ARGUMENT_INVALID/

/** The node of this name must be dead. Answers the one that has its ports and place now, unlocked. */
export async function rejoin(network: StoryNetwork, old: PlannedNode, asker: string): Promise<PlannedNode> {
  const { plan, processes } = network
  const isValidator = old.role === 'validator'
  const fresh: PlannedNode = { ...old, name: nextName(old.name) }
  const ticket = path.join(plan.folder, `${fresh.name}.ticket`)
  const { password } = network.person('admin')
  const admin = (words: string[], at: string): Promise<string> =>
    runWard(
      ['network', ...words, '--dir', processes.folderOf(at), '--as', 'Administrator'],
      [password, password],
    )
  const role = isValidator ? 'observer' : old.role
  // Two nodes cannot have one transport address; a validator gives up its place first.
  await admin(
    ['ticket', '--role', role, '--out', ticket, ...(isValidator ? [] : ['--replaces', old.name])],
    asker,
  )
  const folder = processes.folderOf(fresh.name)
  rmSync(processes.folderOf(old.name), { recursive: true, force: true })
  const ports = ['--port', String(old.port), '--api-port', String(old.apiPort)]
  const words = ['join', ticket, '--dir', folder, '--name', fresh.name, ...ports, '--no-start']
  await runWard([...words, '--kdf', 'floor', '--environment', 'DEMONSTRATION'], [plan.storePassword])
  plan.nodes.splice(plan.nodes.indexOf(old), 1, fresh)
  processes.start(fresh)
  await network.unlock(fresh.name)
  await network.until(`${fresh.name} follows`, patienceMs, async () => {
    const status = must((await network.freshApi(fresh.name).status()) as Outcome<NodeStatus>)
    return status.height > 0 && status.lag === 0 && status.peersConnected > 0
  })
  if (!isValidator) return fresh
  await patiently(network, () => admin(['validator', 'replace', old.name], fresh.name))
  await patiently(network, () => admin(['remove', old.name], asker))
  return fresh
}

async function patiently(network: StoryNetwork, change: () => Promise<unknown>): Promise<void> {
  let last = ''
  await network
    .until('a change of the network', patienceMs, async () => {
      try {
        await change()
        return true
      } catch (error) {
        last = String(error)
        if (error instanceof CommandError && passing.test(error.message)) return false
        throw error
      }
    })
    .catch((error: unknown) => {
      throw new Error(`${String(error)} ${last}`)
    })
}

function nextName(name: string): string {
  const match = /^(.*)-again-(\d+)$/.exec(name)
  return match ? `${match[1]}-again-${Number(match[2]) + 1}` : `${name}-again-1`
}
