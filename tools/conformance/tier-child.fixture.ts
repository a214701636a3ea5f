// One process of the tier-equality run: `node [V8 flags] tier-child.fixture.js [--core] [--wast folder]`.
// Reads the module corpus from standard input and prints one line for each case and way of running it; what
// a line holds is what every node must agree on.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostileCorpus, attackClasses } from '../../runtime/execution/hostile/corpus.fixture.js'
import { HostileNode, type Ending } from '../../runtime/execution/hostile/hostile-node.fixture.js'
import {
  codes,
  createHospital,
  deployRules,
  findingOf,
  isBuilt,
} from '../../runtime/execution/hospital.fixture.js'
import { admissionOf, hex, observationOf, patientOf } from '../../runtime/execution/world.fixture.js'
import { watchInstances } from '../../runtime/execution/hostile/watch-instances.fixture.js'
import { createAssembler } from './assembler.js'
import { KeptInstances } from './kept-instances.js'
import { runCorpus, type TierCase } from './tier-corpus.js'
import { runWast } from './wast-runner.js'

const isCore = process.argv.includes('--core')
const warmRuns = isCore ? 3 : 12

const say = (name: string, way: string, result: string): void =>
  void process.stdout.write(`${name}\t${way}\t${result}\n`)

const endingText = ({ roots: _, ...ending }: Ending): string => JSON.stringify(ending)

function runHostile(): void {
  attackClasses.forEach((_, index) => {
    const cases = hostileCorpus.filter((one) => one.attack === index + 1)
    for (const use of ['fresh', 'reused'] as const) {
      const node = new HostileNode(cases, use)
      const roots = createHash('sha256')
      for (const one of cases) {
        if (one.kind !== 'call') continue
        const name = `hostile ${one.attack}: ${one.name}`
        // What burns its whole slice is optimised within one run.
        const runs = one.code === 'OUT_OF_FUEL' ? 1 : warmRuns
        const cold = node.run(one)
        let warm = cold
        for (let run = 0; run < runs; run += 1) {
          warm = node.run(one)
          roots.update(warm.roots)
        }
        say(name, `${use} cold`, endingText(cold))
        say(name, `${use} warm`, endingText(warm))
      }
      say(`hostile ${index + 1}: receipts and state roots`, use, roots.digest('hex'))
    }
  })
}

/** The compiled rules on blocks of readings; each round is the same chain again, warmer. */
function runHospital(): void {
  if (!isBuilt) return say('hospital', 'all', 'contracts are not compiled')
  for (const round of ['cold', 'warm', 'warmer']) {
    const hospital = createHospital()
    const { world, nurse, monitor } = hospital
    const frames = createHash('sha256')
    world.cache = watchInstances(world.cache, 'reused', (frame) => frames.update(frame))
    deployRules(hospital)
    const patients = ['lisa', 'otto', 'mary'].map(patientOf)
    world.block([world.append(nurse, patients.map(admissionOf))])
    world.block([
      world.append(
        nurse,
        patients.map((one) => findingOf(one, 'wound-assessment', ['redness', 'purulent-drainage'])),
      ),
    ])
    for (let block = 0; block < (isCore ? 6 : 20); block += 1) {
      const readings = patients.flatMap((one, place) => [
        observationOf(one, codes.temperature, 380 + block + place, { scale: 1, unit: 'Cel' }),
        observationOf(one, codes.systolic, 95 - 2 * block - place, { unit: 'mm[Hg]' }),
        observationOf(one, codes.pulse, 90 + 3 * block, { unit: '/min' }),
        observationOf(one, codes.respiration, 16 + block, { unit: '/min' }),
      ])
      const { result, receiptsDecoded } = world.block([world.append(monitor, readings)])
      const fuel = receiptsDecoded.map(({ status, fuelUsed }) => `${status}/${fuelUsed}`).join(' ')
      say(`hospital block ${block}`, round, `${hex(result.stateRoot)} ${hex(result.receiptsRoot)} ${fuel}`)
    }
    say('hospital frames', round, frames.digest('hex'))
  }
}

const ownVectors = 'tools/conformance/vectors'
let reusedTotal = 0

async function runVectors(folder: string): Promise<void> {
  const assembler = await createAssembler()
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  for (const name of names.filter((one) => one.endsWith('.wast')).sort()) {
    const run = (kept?: KeptInstances): string => {
      const outcomes = createHash('sha256')
      const observe = (line: string): void => void outcomes.update(line)
      const report = runWast(readFileSync(join(folder, name)), assembler, observe, kept)
      return `${report.passed} passed ${outcomes.digest('hex')}`
    }
    say(`specification ${name}`, 'cold', run())
    say(`specification ${name}`, 'warm', run())
    // The runtime's own reuse: modules that it could keep give their instances back, and get them again.
    const kept = new KeptInstances()
    for (const way of ['fresh', 'reused', 'reused again']) {
      say(`specification ${name}, instances kept`, way, run(kept))
      reusedTotal += kept.giveBack()
    }
  }
}

const corpus = JSON.parse(readFileSync(0, 'utf8')) as TierCase[]
process.stdout.write(`${runCorpus(corpus, isCore ? 30 : 150).join('\n')}\n`)
runHostile()
runHospital()
const folderAt = process.argv.indexOf('--wast')
await runVectors(ownVectors)
if (folderAt > 0) await runVectors(process.argv[folderAt + 1])
if (reusedTotal === 0) throw new Error('no instance of the scripts was used again')
say('specification instances that were used before', 'reused', String(reusedTotal))
