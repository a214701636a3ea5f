// Lines of `ward status` that need more than a running node to be seen.
import t from 'tap'
import { clockLines } from './status.js'

const told = (...ahead: number[]): string =>
  clockLines(ahead.map((aheadMs, index) => ({ node: `v${index}`, aheadMs })))
    .map((line) => line.join(' '))
    .join()

t.test('whose clock is wrong', (t) => {
  t.equal(told(), '', 'nobody was heard')
  t.equal(told(-3, 250, -250), 'clock within 250 ms of 3 validator(s)')
  t.match(told(-3, 251, 0), /^CLOCK v1 is 0\.3 s ahead of this computer\. .*there \[CLOCK_SKEW\]$/)
  t.match(told(12_000, 12_100, 0), /^CLOCK this computer is 12\.1 s behind 2 of 3 validators\..* here/)
  t.match(told(-12_000, -12_100, -11_000), /^CLOCK this computer is 12\.0 s ahead of 3 of 3 validators/)
  t.match(told(-900, 900), /v0 is 0\.9 s behind this computer; v1 is 0\.9 s ahead/, 'nobody can tell')
  t.match(told(5_000), /^CLOCK v0 is 5\.0 s ahead/, 'one against one')
  t.end()
})
