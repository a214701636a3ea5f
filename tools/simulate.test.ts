// The simulator as a command: what a failing seed prints, that it replays byte for byte, and that the table
// of planted bugs in consensus/README.md is true. All bugs: node dist/tools/simulate-mutations.js

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { mutations, type Mutation } from './simulation/planted-bugs.js'
import { rowsOf, type Row } from './simulation/planted-table.js'
import { Scratch } from './simulation/scratch.js'

const rows = rowsOf(readFileSync('consensus/README.md', 'utf8'))
const bugOf = (name: string): Mutation => mutations.find((bug) => bug.name === name)!
const rowOf = (name: string): Row => rows.find((row) => row.name === name)!

t.test('the README lists every planted bug, and a seed that finds it', async (t) => {
  t.strictSame(rows.map(({ name }) => name).sort(), mutations.map(({ name }) => name).sort())
  for (const { name, breaks, seed } of rows) {
    t.match(seed, /^\d+$/, `${name}: a seed`)
    t.match(breaks, /^(S\d+|L\d|R\d+|CLIENTS|ASSERT|HALT)$/, `${name}: an invariant`)
  }
})

t.test('planted bugs', async (t) => {
  const scratch = new Scratch()
  t.teardown(() => scratch.remove())

  t.test('the README tells the truth about nine of them', async (t) => {
    const some = [
      ...['quorum-off-by-one', 'vote-before-persist', 'body-not-kept', 'signer-counted-twice'],
      ...[
        'lock-ignored-by-leader-and-followers',
        'clock-check-on-re-proposal',
        'stale-votes-after-a-height',
      ],
      ...['others-view-changes-not-followed', 'locks-not-shown-to-reads'],
    ]
    for (const name of some) {
      const { seed, breaks } = rowOf(name)
      const { found, invariant } = scratch.find(bugOf(name), Number(seed), Number(seed))
      t.ok(found, `${name}: seed ${seed} finds it`)
      t.equal(invariant, breaks, `${name} breaks ${breaks}`)
    }
  })

  t.test('a failing seed prints its shortest prefix, and its replay is the same bytes', async (t) => {
    const run = (...words: string[]) =>
      scratch.with(bugOf('quorum-off-by-one'), () => scratch.simulate(words))
    const failed = run('--seeds', '1')
    t.equal(failed.status, 1)
    t.match(failed.stdout, /^seed 1 breaks S4 after \d+ events .* certificate of 2 of 4/)
    const [, lineCount, digest] = /fails: (\d+) lines, sha256 ([0-9a-f]{64})/.exec(failed.stdout) ?? []
    const [, command] = /byte for byte: npm run --silent simulate -- (.*)/.exec(failed.stdout) ?? []
    const [, events] = /after (\d+) events/.exec(failed.stdout) ?? []
    const replay = run(...command.split(' '))
    t.equal(replay.status, 1)
    t.equal(run(...command.split(' ')).stdout, replay.stdout, 'byte for byte')
    const lines = replay.stdout.split('\n').slice(0, Number(lineCount))
    const bytes = lines.map((line) => `${line}\n`).join('')
    t.equal(createHash('sha256').update(bytes).digest('hex'), digest)
    for (const line of lines.slice(-5)) t.ok(failed.stdout.includes(`  ${line}\n`), 'its end was printed')
    t.match(replay.stdout.slice(bytes.length), /^seed 1 breaks S4 after/, 'and nothing after it')
    const shorter = run('--seeds', '1', '--events', String(Number(events) - 1))
    t.equal(shorter.status, 0, 'one event less, and nothing is broken')
  })

  t.test('wrong use is refused with a sentence', async (t) => {
    const refusals = [
      [['--seeds', 'x'], /--seeds takes A\.\.B, not x/],
      [['--seeds', '5..2'], /2 is below 5/],
      [['--only', 'F99'], /no fault F99/],
      [['--validators', '0'], /--validators takes 1\.\.31, not 0/],
      [['--minutes'], /--minutes needs a value/],
      [['constructor'], /unknown option constructor/],
    ] as const
    for (const [words, sentence] of refusals) {
      const { status, stderr } = scratch.simulate(words)
      t.equal(status, 2)
      t.match(stderr, sentence)
      t.match(stderr, /--help explains/)
    }
    t.match(scratch.simulate(['--help']).stdout, /Usage: npm run simulate/)
  })
})
