import t from 'tap'
import { tmpdir } from 'node:os'
import { diskOf, diskView } from './disk-space.js'

t.test('the levels, on both sides of their edges', (t) => {
  for (const [free, level] of [
    [1_000, 'enough'],
    [100, 'enough'],
    [99, 'low'],
    [50, 'low'],
    [49, 'scarce'],
    [0, 'scarce'],
  ] as const)
    t.equal(diskView(free, 1_000).level, level, `${free} of 1000`)
  t.end()
})

t.test('a real disk tells, a folder that is not there does not', (t) => {
  const disk = diskOf(tmpdir())
  t.ok(disk && disk.totalBytes >= disk.freeBytes && disk.totalBytes > 0)
  t.equal(diskOf('/no/such/folder'), undefined)
  t.end()
})
