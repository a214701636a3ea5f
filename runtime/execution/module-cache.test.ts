// Which module leaves a full cache: the one that was used longest ago, never one that is in use.
import t from 'tap'
import { remember } from './module-cache.js'

t.test('what is used stays, however much comes and goes', async (t) => {
  const map = new Map<string, number>()
  const made: string[] = []
  const use = (key: string): number =>
    remember(map, key, 8, () => {
      made.push(key)
      return 1
    })
  use('rule')
  for (let index = 0; index < 100; index += 1) {
    use(`other ${index}`)
    use('rule')
  }
  t.equal(made.filter((key) => key === 'rule').length, 1)
  t.equal(map.size, 8)
  t.ok(map.has('other 99'))
  t.notOk(map.has('other 90'))
})
