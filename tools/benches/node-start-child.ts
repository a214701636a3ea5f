// One start of a node in a process of its own, for the bench `records`: prints what it took as JSON. With
// `crash` as second argument the process appends blocks to the chain instead and dies without closing it.
import { WardNode } from '../../host/node/ward-node.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { openKeyslot } from '../../host/store/index.js'
import { RecordChain, recordChainPassword } from './record-chain.js'

export interface NodeStart {
  /** The password alone, ms: argon2id. */
  keyslotMs: number
  /** Unlock to ready, the password included, ms. */
  unlockMs: number
  /** Processor time of the unlock, the password included, ms. */
  cpuMs: number
  /** Processor time of the password alone. */
  keyslotCpuMs: number
  height: number
  rssMiB: number
}

const cpuMsSince = (start: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1_000
}

async function main(folder: string): Promise<NodeStart> {
  const keyslotCpu = process.cpuUsage()
  const begun = performance.now()
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, recordChainPassword.slice())
  dataKey.close()
  const keyslotMs = performance.now() - begun
  const keyslotCpuMs = cpuMsSince(keyslotCpu)
  const node = new WardNode(folder, createNodeLogger('bench', 'silent'))
  const cpu = process.cpuUsage()
  const started = performance.now()
  const unlocked = await node.unlock(recordChainPassword.slice())
  if (!unlocked.ok) throw new Error(`${unlocked.code} ${unlocked.detail ?? ''}`)
  const unlockMs = performance.now() - started
  const { rss } = process.memoryUsage()
  const start = { keyslotMs, keyslotCpuMs, unlockMs, cpuMs: cpuMsSince(cpu), height: node.status().height }
  await node.close()
  return { ...start, rssMiB: rss / 1_048_576 }
}

/** Enough blocks that the redo records of the tree are as many as a node keeps. */
const crashRounds = 40

async function crash(folder: string, seed: number): Promise<void> {
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, recordChainPassword.slice())
  const chain = await RecordChain.open(folder, dataKey, seed)
  for (const end = chain.round + crashRounds; chain.round < end;) chain.addRound(chain.round)
  process.kill(process.pid, 'SIGKILL')
}

const [, , folder, mode, seed] = process.argv
if (mode === 'crash') await crash(folder, Number(seed))
process.stdout.write(`${JSON.stringify(await main(folder))}\n`)
process.exit(0)
