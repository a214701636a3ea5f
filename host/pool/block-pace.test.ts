// The leader's pace for the lower lanes.
import t from 'tap'
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
  t.equal(pace.restMs(30), 0, 'that was another block')
  pace.final(1, 40)
  t.equal(pace.restMs(40), 40)
  t.equal(pace.restMs(60), 20)
  t.equal(pace.restMs(90), 0)
  pace.built(3, 100, 10)
  pace.final(3, 1_100)
  t.equal(pace.restMs(1_100), 150)
  pace.built(4, 1_300, 0)
  pace.final(4, 1_340)
  t.equal(pace.restMs(1_340), 0, 'nothing of them was in it')
})

t.test(
  'after an emergency the lower lanes keep still, yet an import gets on beside a stream of them',
  async (t) => {
    const pace = new BlockPace(40)
    pace.lowFinal(10_000)
    pace.emergency(10_100)
    t.equal(pace.restMs(10_100), 700)
    t.equal(pace.restMs(10_800), 0)
    t.ok(pace.isLowExcused(10_800))
    for (let now = 11_000; now < 12_000; now += 100) pace.emergency(now)
    t.equal(pace.restMs(11_900), 100, 'not later than two seconds after their last block')
    t.equal(pace.restMs(12_000), 0)
    pace.lowFinal(12_050)
    pace.emergency(12_060)
    t.equal(pace.restMs(12_060), 700, 'and after it the next emergencies go first again')
    t.notOk(pace.isLowExcused(12_060 + 15_000))
  },
)
