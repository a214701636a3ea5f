// The leader's pace for the lower lanes.
import t from 'tap'
import { lane } from '../../runtime/protocol/index.js'
import { BlockPace } from './block-pace.js'

t.test(
  'more while blocks stay short, less when they grow, never nothing, never above the ceiling',
  async (t) => {
    const pace = new BlockPace(40)
    const block = (height: number, lastedMs: number, lowCount = pace.lowCountMax): void => {
      pace.built(height, height * 1_000, lowCount)
      pace.final(height, height * 1_000 + lastedMs)
    }
    const first = pace.lowCountMax
    block(1, 30)
    t.ok(pace.lowCountMax > first)
    for (let height = 2; height < 30; height += 1) block(height, 30)
    t.equal(pace.lowCountMax, 40)
    block(30, 200)
    t.equal(pace.lowCountMax, 28)
    for (let height = 31; height < 60; height += 1) block(height, 500)
    t.equal(pace.lowCountMax, 4)
    block(60, 30, 1)
    t.equal(pace.lowCountMax, 4, 'a block with little says nothing')
    for (let height = 61; height < 90; height += 1) block(height, 400, 0)
    block(90, 500)
    t.equal(pace.lowCountMax, 8, 'on a slow machine slow is usual')
  },
)

t.test('after a block with lower lanes the network rests for as long as it took, to a bound', async (t) => {
  const pace = new BlockPace(40)
  pace.built(1, 0, 10)
  pace.final(2, 30)
  t.equal(pace.restMs(lane.operational, 30), 0, 'that was another block')
  pace.final(1, 40)
  t.equal(pace.restMs(lane.operational, 40), 40)
  t.equal(pace.restMs(lane.operational, 60), 20)
  t.equal(pace.restMs(lane.operational, 90), 0)
  pace.built(3, 100, 10)
  pace.final(3, 1_100)
  t.equal(pace.restMs(lane.operational, 1_100), 150)
  pace.built(4, 1_300, 0)
  pace.final(4, 1_340)
  t.equal(pace.restMs(lane.operational, 1_340), 0, 'nothing of them was in it')
})

t.test(
  'after an emergency the bulk lane keeps still, and an import gets on beside a stream of them',
  async (t) => {
    const pace = new BlockPace(40)
    pace.laneFinal(lane.bulk, 10_000)
    pace.emergency(10_100)
    t.equal(pace.restMs(lane.bulk, 10_100), 400, 'not later than half a second after its last block')
    t.equal(pace.countMax(lane.bulk, 16, 10_499, false), 0)
    t.equal(pace.countMax(lane.bulk, 16, 10_500, false), 16)
    t.equal(pace.restMs(lane.operational, 10_100), 0, 'people who order and write do not wait for that')
    t.equal(pace.countMax(lane.operational, 16, 10_100, false), 16)
    pace.emergency(10_550)
    pace.laneFinal(lane.bulk, 10_560)
    t.equal(pace.restMs(lane.bulk, 10_560), 490, 'and after it the next emergencies go first again')
  },
)

t.test('beside an emergency a lower lane has a part, once it got nothing for two seconds', async (t) => {
  const pace = new BlockPace(40)
  pace.laneFinal(lane.bulk, 10_000)
  pace.laneFinal(lane.operational, 11_000)
  pace.emergency(11_999)
  t.equal(pace.countMax(lane.bulk, 16, 11_999, true), 0)
  t.equal(pace.countMax(lane.bulk, 16, 12_000, true), 4)
  t.equal(pace.countMax(lane.bulk, 1, 12_000, true), 1)
  t.equal(pace.countMax(lane.operational, 16, 12_000, true), 0)
})

t.test('emergencies excuse a lane that waits as long as it moves, and for a while', async (t) => {
  const pace = new BlockPace(40)
  pace.emergency(10_000)
  t.notOk(pace.isExcused(lane.bulk, 10_000), 'nothing of it became final')
  pace.laneFinal(lane.bulk, 11_000)
  t.ok(pace.isExcused(lane.bulk, 15_999))
  t.notOk(pace.isExcused(lane.operational, 15_999), 'that another lane moves says nothing')
  t.notOk(pace.isExcused(lane.bulk, 16_000))
  pace.laneFinal(lane.bulk, 24_999)
  pace.laneFinal(lane.clinical, 24_999)
  t.ok(pace.isExcused(lane.bulk, 24_999))
  t.notOk(pace.isExcused(lane.bulk, 25_000), 'the emergencies are over')
  t.notOk(pace.isExcused(lane.clinical, 24_999), 'never')
})
