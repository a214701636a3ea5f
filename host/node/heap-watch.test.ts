// When a heap counts as nearly full: not for garbage, not at a start, and once.
import t from 'tap'
import { HeapWatch } from './heap-watch.js'

t.test('what stays in use for a minute counts, on both sides of four fifths', (t) => {
  const told: string[] = []
  const note = ({ code }: { code: string }): void => void told.push(code)
  const logger = { warn: note, info: note } as never
  let nowMs = 0
  const own = () => ({ usedBytes: 1, limitBytes: 1_000 })
  const watch = new HeapWatch(logger, own, () => nowMs)
  const executorAfter = (looks: number, usedBytes: number, roundMs = 3_000) => {
    let view = watch.look({ usedBytes, limitBytes: 1_000 })
    for (let look = 1; look < looks; look += 1) {
      nowMs += roundMs
      view = watch.look({ usedBytes, limitBytes: 1_000 })
    }
    nowMs += roundMs
    return view[0]
  }
  t.match(executorAfter(400, 990, 50), { thread: 'executor', isHigh: false }, 'busy: 20 s, not a minute')
  t.match(executorAfter(13, 990), { thread: 'executor', isHigh: false }, 'a start makes garbage')
  t.match(executorAfter(1, 800), { usedBytes: 800, isHigh: false }, 'the collector ran: four fifths')
  t.match(executorAfter(19, 990), { usedBytes: 800, isHigh: false })
  t.match(executorAfter(1, 801), { usedBytes: 801, isHigh: true }, 'the look at 800 is too old')
  t.match(executorAfter(5, 990), { isHigh: true })
  t.same(told, ['HEAP_HIGH'], 'once')
  t.match(executorAfter(1, 100), { usedBytes: 100, isHigh: false })
  t.same(told, ['HEAP_HIGH', 'HEAP_ENOUGH'])
  nowMs += 60_000
  t.match(
    executorAfter(20, 990),
    { usedBytes: 990, isHigh: false },
    'nobody looked for a minute: begun anew',
  )
  t.match(executorAfter(1, 990), { isHigh: true })
  t.end()
})

t.test('the own heap is what the engine says', (t) => {
  const logger = { warn: () => undefined, info: () => undefined } as never
  const [, own] = new HeapWatch(logger).look({ usedBytes: 1, limitBytes: 2 })
  t.ok(own.thread === 'main' && own.usedBytes > 2 ** 20 && own.limitBytes > own.usedBytes)
  t.end()
})
