// What one block holds: the fuel cap must not be what keeps a hospital's readings waiting.
import t from 'tap'
import { blockFuelMax } from '../protocol/limits.js'
import { codes, createHospital, deployRules, isBuilt, notBuilt } from './hospital.fixture.js'
import { admissionOf, observationOf, patientOf } from './world.fixture.js'

const transactionCount = 500

t.test('a block has fuel for 500 vital signs with two rules each', async (t) => {
  if (!isBuilt) throw new Error(notBuilt)
  const hospital = createHospital()
  for (const alias of [...hospital.rules.keys()]) {
    if (alias !== 'ward/deterioration' && alias !== 'ward/sepsis-screen') hospital.rules.delete(alias)
  }
  deployRules(hospital)
  const { world, monitor } = hospital
  const patients = Array.from({ length: 20 }, (_, index) => patientOf(`bed ${index}`))
  world.block([world.append(monitor, patients.map(admissionOf).slice(0, 20))])
  const bundles = Array.from({ length: transactionCount }, (_, index) =>
    world.append(monitor, [
      observationOf(patients[index % patients.length], codes.pulse, 70 + (index % 20), { unit: '/min' }),
    ]),
  )
  const block = world.block(bundles)
  const failed = block.receiptsDecoded.filter((receipt) => receipt.status !== 0)
  t.equal(failed.length, 0, 'no rule ran out of fuel or budget')
  t.equal(block.receiptsDecoded.length, 3 * transactionCount, 'each with its two rules, in this block')
  t.equal(block.result.nextDueTime, 0, 'nothing is carried over')
  t.ok(block.result.fuelUsed * 2 < blockFuelMax, `${block.result.fuelUsed} of ${blockFuelMax}`)
})
