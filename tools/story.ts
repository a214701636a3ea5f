// `npm start`: founds a network of real processes in a fresh folder and tells the story of Lisa Jones on it.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import { alertText } from './ward/query.js'
import { CommandError, exitStatus } from './ward/command-error.js'
import { deployAll } from './story/deploy.js'
import { StoryNetwork } from './story/network.js'
import { Scene, Watcher, type SceneTimes } from './story/scene.js'
import { judge, type Verdict } from './story/verdict.js'

interface StoryOptions {
  dir?: string
  hl7?: string
  exit?: boolean
  json?: boolean
  killLeader?: boolean
}

const startedAt = Date.now()

async function main(): Promise<void> {
  const options = new Command()
    .name('npm start --')
    .description('Founds a small hospital network on this computer and tells the story of Lisa Jones.')
    .option('--dir <folder>', 'fresh folder for the network (default: a new one under .wardchain)')
    .option('--hl7 <file>', 'play your own HL7 messages after the story')
    .option('--exit', 'stop after the story')
    .option('--json', 'last line is one JSON object; the story itself goes to standard error')
    .option('--kill-leader', 'kill the leader with SIGKILL in mid-story and restart it')
    .parse()
    .opts<StoryOptions>()
  const say = (text: string): void => {
    const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1).padStart(6)
    const stream = options.json ? process.stderr : process.stdout
    stream.write(`${seconds} s  ${text}\n`)
  }
  const folder = freshFolder(options.dir)
  const network = await StoryNetwork.found(folder, say)
  const leave = async (status: number): Promise<never> => {
    await network.processes.endAll()
    process.exit(status)
  }
  network.processes.onUnexpectedExit = (name, status) =>
    say(`!! ${name} ended by itself (${status}); see ${folder}/logs`)
  process.on('SIGINT', () => void leave(exitStatus.done))
  process.on('SIGTERM', () => void leave(exitStatus.done))
  try {
    const verdict = await tell(network, options, say)
    if (options.json) process.stdout.write(`${JSON.stringify(verdict)}\n`)
    for (const problem of verdict.problems) say(`!! ${problem}`)
    if (options.exit) await leave(verdict.ok ? exitStatus.done : exitStatus.refused)
    sayWhereToLook(network, say)
  } catch (error) {
    say(`!! ${error instanceof Error ? error.message : String(error)}`)
    if (options.json) process.stdout.write(`${JSON.stringify({ ok: false, error: String(error) })}\n`)
    await leave(exitStatus.refused)
  }
}

function freshFolder(wanted: string | undefined): string {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-')
  const folder = path.resolve(wanted ?? path.join('.wardchain', stamp))
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new CommandError('FOLDER_NOT_EMPTY', `${folder} is not empty. Nothing was changed.`)
  }
  mkdirSync(folder, { recursive: true })
  return folder
}

async function tell(
  network: StoryNetwork,
  options: StoryOptions,
  say: (text: string) => void,
): Promise<Verdict> {
  await network.start(say)
  say(`running: 4 validators, a workstation, a gateway; all passwords of this demonstration:`)
  say(
    `   store "${network.plan.storePassword}"; ${network.plan.persons.map((p) => `${p.label} "${p.password}"`).join('; ')}`,
  )
  const deployments = await deployAll(network, 'workstation')
  for (const { alias, version, address } of deployments)
    say(`active: ${alias} ${version} at ${address.slice(0, 16)}`)
  const scene = new Scene(network, say)
  await scene.grantAdmissions()
  await scene.admit()
  const nurse = await network.signIn('workstation', 'nurse')
  const patient = await scene.patientId(nurse)
  say('Lisa Jones, 29, is admitted: ADT^A01 through the gateway, AA means final on every node')
  await scene.grantMonitor(patient)
  const watcher = await Watcher.start(nurse)
  await scene.recordWound(nurse, patient)
  say("the nurse records redness and purulent drainage; the nurse's own key signed it")
  const killed = options.killLeader ? await killLeader(network, say) : undefined
  say('the monitor at bed 412 reports 101.5 °F and 80/60 (ORU^R01 over MLLP)')
  const times = await scene.firstReadings(watcher)
  sayTimes(times, say)
  await scene.furtherReadings(watcher)
  say('the rest of the set: RR 24, pulse 118, SpO2 95 % on air, alert; NEWS2 is complete')
  if (options.hl7 !== undefined) await scene.playFile(options.hl7)
  if (killed !== undefined) await restart(network, killed, say)
  watcher.close()
  await nurse.signOut()
  const verdict = await judge(network, patient, times, killed ?? '')
  await sayVerdict(network, verdict, patient, say)
  return verdict
}

function sayTimes(times: SceneTimes, say: (text: string) => void): void {
  say(`   final (AA at the monitor) after ${times.final - times.sent} ms`)
  say(`   alert on the workstation after ${times.alertOnObserver - times.sent} ms`)
}

async function killLeader(network: StoryNetwork, say: (text: string) => void): Promise<string> {
  const [{ status }] = await network.statuses()
  const leader = status.leader
  await network.processes.kill(leader)
  say(`SIGKILL: ${leader}, the leader, is gone`)
  return leader
}

async function restart(network: StoryNetwork, name: string, say: (text: string) => void): Promise<void> {
  network.processes.start(network.node(name))
  await network.unlock(name)
  say(`${name} is back: unlocked, catching up`)
}

async function sayVerdict(
  network: StoryNetwork,
  verdict: Verdict,
  patient: string,
  say: (text: string) => void,
): Promise<void> {
  const nurse = await network.signIn('workstation', 'nurse')
  const answer = await nurse.alerts(patient)
  if (answer.ok)
    for (const alert of answer.value.alerts)
      for (const line of alertText(alert).trimEnd().split('\n')) say(`   ${line}`)
  for (const order of verdict.orders)
    say(`   proposed: ${order.display} (${order.category}), waits for a signature`)
  await nurse.signOut()
  const heights = verdict.nodes
    .map((node) => `${node.name} ${node.height}:${node.stateRoot.slice(0, 8)}`)
    .join('  ')
  say(verdict.ok ? `all nodes agree: ${heights}` : `NOT all nodes agree: ${heights}`)
}

function sayWhereToLook(network: StoryNetwork, say: (text: string) => void): void {
  say(
    `the workstation's page: ${network.urlOf('workstation')}  (sign in as nurse or surgeon with the passwords above)`,
  )
  const desk = path.relative('', network.processes.folderOf('workstation'))
  say('in another terminal, in this folder:')
  say(`   npm run -s ward -- status --dir ${desk}`)
  say(`   npm run -s ward -- network ticket --dir ${desk} --as admin --out ticket.json`)
  say('   npm run -s ward -- join ticket.json --dir .wardchain/ward-5 --name ward-5   (a further node)')
  say('Ctrl-C ends all nodes.')
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = exitStatus.refused
})
