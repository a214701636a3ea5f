// `ward node`: the daemon in the foreground. Sealed until the unlock page or API gets the store password.
import { createServer } from 'node:net'
import type { Command } from 'commander'
import { startApi } from '../../host/api/server.js'
import { denyCoreDumps, dumpAdvice, mayLeaveDump } from '../../host/appliance/core-dumps.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { notifyOf, Supervisor } from '../../host/appliance/supervisor.js'
import { readNodeConfig } from '../../host/node/node-config.js'
import { CommandError } from './command-error.js'
import { eraseOrderedKeys, obeyOrderedWipe, resumeOrderedWipe } from './ordered-wipe.js'
import { placesOf } from '../../host/node/unattended.js'
import { WardNode } from '../../host/node/ward-node.js'
import { distFolder } from './system-contracts.js'

export function addNodeCommand(program: Command): void {
  program
    .command('node')
    .description('run a node in the foreground; it stays sealed until it is unlocked through its page')
    .requiredOption('--dir <folder>', "the node's folder")
    .option('--log <level>', 'debug, info, warn or error', 'info')
    .option('--second-secret <file>', "second secret, for a password's slot that needs one")
    .option(
      '--until-stdin-ends',
      'also stop when standard input ends: a node never outlives who started it',
    )
    .action(runNode)
}

interface DaemonOptions {
  dir: string
  log: string
  secondSecret?: string
  untilStdinEnds?: boolean
}

async function runNode(options: DaemonOptions): Promise<void> {
  if (await resumeOrderedWipe(options)) return
  await startDaemon(options)
}

/** Throws PORT_TAKEN before anything is started that would have to be taken back. */
export async function assertApiPortFree(port: number, advice: string): Promise<void> {
  if (port === 0) return
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    const taken = (): void => {
      const text = `Port ${port} of this computer is taken, perhaps by another node. Nothing was changed. ${advice}`
      reject(new CommandError('PORT_TAKEN', text))
    }
    probe.once('error', taken)
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve()))
  })
}

/** The node and its API, until a signal ends the process. */
export async function startDaemon(options: DaemonOptions): Promise<WardNode> {
  const { apiPort, name, role } = readNodeConfig(options.dir)
  await assertApiPortFree(apiPort, `Change "apiPort" in ${options.dir}/node.json, or end what has it.`)
  const logger = createNodeLogger(name, options.log)
  const dumps = denyCoreDumps()
  if (mayLeaveDump(dumps)) logger.warn({ code: 'CORE_DUMPS_ON', ...dumps }, dumpAdvice)
  const { secondSecret } = options
  const node = new WardNode(options.dir, logger, Date.now, {
    places: placesOf(process.env),
    secondSecret,
    onWipeOrdered: (wipe, report) => {
      const begun = eraseOrderedKeys(options, wipe, logger)
      void report()
        .then(() => api.close())
        .then(() => node.seal())
        .then(() => node.close())
        .catch((error: unknown) =>
          logger.error({ error: String(error) }, 'the node did not close in order'),
        )
        .then(() => obeyOrderedWipe(options, wipe, begun, logger))
    },
  })
  const api = await startApi(
    { port: apiPort, host: '127.0.0.1', staticFolder: `${distFolder}shell` },
    node,
    logger,
  )
  logger.info({ url: api.url, role, sealed: true }, 'node is up: open the page to unlock it')
  const supervisor = new Supervisor(notifyOf(process.env), process.env)
  supervisor.ready()
  void node.comeBack()
  let closing = false
  const close = (): void => {
    if (closing) return
    closing = true
    supervisor.stopping()
    void api
      .close()
      .then(() => node.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ code: 'NOT_CLOSED', error: String(error) }, 'ended without closing everything')
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', close)
  process.on('SIGINT', close)
  if (options.untilStdinEnds) {
    if (process.stdin.readableEnded) close()
    else process.stdin.resume().on('end', close)
  }
  return node
}
