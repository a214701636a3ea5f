// The generator of long chains: plausible, the same for every seed, and going on where it ended; and a node
// that starts from the outline of its tree as from its pages.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { openChainStore, openKeyslot } from '../../host/store/index.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { recordKind } from '../../runtime/protocol/index.js'
import { bedCount, growRecordChain, RecordChain, recordChainPassword } from './record-chain.js'
import { patientOf, readingsPerSet, setsPerStay, vitalSet } from './vital-series.js'

t.test('series are plausible, and the same for a seed', async (t) => {
  const seen = new Map<string, { low: number; high: number }>()
  for (let round = 0; round < 2 * setsPerStay; round += 7) {
    for (const bed of [0, 3]) {
      const place = { bed, bedCount: 4, round }
      const set = vitalSet(9, place, 0)
      t.same(vitalSet(9, place, 0), set)
      t.equal(set.isFirst, round % setsPerStay === 0)
      for (const { code, value } of set.readings) {
        const range = seen.get(code) ?? { low: Number(value), high: Number(value) }
        seen.set(code, {
          low: Math.min(range.low, Number(value)),
          high: Math.max(range.high, Number(value)),
        })
      }
    }
  }
  t.notSame(
    vitalSet(8, { bed: 0, bedCount: 4, round: 1 }, 0),
    vitalSet(9, { bed: 0, bedCount: 4, round: 1 }, 0),
  )
  const [temperature, systolic] = [seen.get('8310-5'), seen.get('8480-6')]
  t.ok(
    temperature && temperature.low >= 340 && temperature.high <= 415 && temperature.high > temperature.low,
  )
  t.ok(systolic && systolic.low >= 60 && systolic.high <= 230 && systolic.high - systolic.low > 10)
})

t.test(
  'a chain grows, breaks off, and goes on; its node starts with and without the outline',
  async (t) => {
    const home = mkdtempSync(path.join(tmpdir(), 'wardchain-records-test-'))
    t.teardown(() => rmSync(home, { recursive: true, force: true }))
    const folder = path.join(home, 'node')
    const perRound = bedCount * readingsPerSet
    const first = await growRecordChain({ folder, recordCount: perRound, seed: 5 })
    t.match(first, { records: perRound, appended: perRound, blocks: 2, patients: bedCount })
    const second = await growRecordChain({ folder, recordCount: 2 * perRound, seed: 5 })
    t.match(second, { records: 2 * perRound, appended: perRound, blocks: 3 })
    const third = await growRecordChain({ folder, recordCount: 2 * perRound, seed: 5 })
    t.equal(third.appended, 0, 'nothing is left to do')

    const dataKey = await openKeyslot(nodeFiles(folder).keyslots, recordChainPassword.slice())
    t.teardown(() => dataKey.close())
    const change = async (value: Uint8Array | undefined): Promise<void> => {
      const store = openChainStore(nodeFiles(folder).chain, dataKey)
      t.ok(store.note('tree-outline/0'), 'an orderly end leaves an outline')
      if (value === undefined) store.putNote('tree-outline/0', undefined)
      else store.putNote('tree-outline/1', value)
      await store.close()
    }
    const newest = async (): Promise<number> => {
      const chain = await RecordChain.open(folder, dataKey, 5)
      const query = { patient: patientOf(5, 0), kind: recordKind.observation, code: '8867-4' }
      const { records } = chain.ask('records', { ...query, from: 0, to: 2 ** 52, limit: 10, newest: true })
      await chain.close()
      return records.length
    }
    t.equal(await newest(), 2)
    await change(undefined)
    t.equal(await newest(), 2, 'without an outline every page is read')
    await change(new Uint8Array([1, 0, 0, 0, 0]))
    t.equal(await newest(), 2, 'an outline of another tree is not believed')
  },
)
