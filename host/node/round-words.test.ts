// The sentences of `ward status`, and the metrics of a running node: the same reason in both.
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { RoundReason, RoundReasonCode } from '../../consensus/net/round-reason.js'
import { roundSentence } from './round-words.js'
import { createSingleNode } from './single-node.fixture.js'

const context = {
  ...{ leader: 'validator-2', leaderSilentMs: 300, missing: ['validator-3'], away: ['validator-4'] },
  ...{ lag: 5, halted: 'RESULT_DIVERGENCE' },
}
const codes: RoundReasonCode[] = [
  ...(['IDLE', 'STARTING', 'HALTED', 'NO_QUORUM', 'SYNCING', 'STORING', 'VIEW_CHANGE'] as const),
  ...(['WAITS_FOR_LEADER', 'EXECUTING', 'BLOCK_REFUSED', 'RESULT_SPLIT'] as const),
  ...(['WAITS_FOR_PREPARES', 'WAITS_FOR_COMMITS'] as const),
]
const words = (code: RoundReasonCode, changes: Partial<RoundReason> = {}, leaderSilentMs = 300): string =>
  roundSentence(
    { code, have: 2, need: 3, sinceMs: 1, results: [], ...changes },
    { ...context, leaderSilentMs },
  )

t.test('each reason is a sentence of its own that names who is meant', async (t) => {
  t.equal(new Set(codes.map((code) => words(code))).size, codes.length)
  t.equal(words('WAITS_FOR_PREPARES'), '2 of 3 prepare votes; missing: validator-3')
  t.equal(words('NO_QUORUM'), '2 of 3 validators needed are connected; away: validator-4')
  t.match(words('WAITS_FOR_LEADER'), /validator-2, heard 300 ms ago/)
  t.match(words('WAITS_FOR_LEADER', {}, 0), /which is this node/)
  t.match(words('WAITS_FOR_LEADER', {}, -1), /never heard/)
  const results = [{ result: 'ab'.repeat(32), votes: 2 }]
  t.match(words('RESULT_SPLIT', { results }), /2 x abababab; 3 equal ones/)
  const documented = readFileSync('docs/alerts.md', 'utf8')
  for (const code of codes) t.ok(documented.includes(`\`${code}\``), `${code} is in docs/alerts.md`)
})

t.test('the rules file names only metrics and codes that a node has', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const text = await single.node.metrics()
  t.match(text, /^wardchain_round_reason\{code="IDLE"\} 1$/m)
  t.match(text, /^wardchain_phase\{phase="idle"\} 1$/m)
  t.match(text, /^wardchain_validator_connected\{validator="only"\} 1$/m)
  t.match(text, /^wardchain_vote_missing\{validator="only"\} 0$/m)
  t.match(text, /^wardchain_pool_lane_transactions\{lane="emergency"\} 0$/m)
  t.match(text, /^wardchain_sealed 0$/m)
  t.same(single.node.status().reason, { code: 'IDLE', sentence: 'nothing to agree on', sinceMs: 0 })
  const rules = readFileSync('docs/alerts.rules.yml', 'utf8')
  const named = new Set(rules.match(/wardchain_[a-z0-9_]+/g))
  t.ok(named.size > 8)
  for (const name of named) t.ok(text.includes(`# HELP ${name} `), name)
  for (const [, codesOf] of rules.matchAll(/alarms_total\{code=~?"([A-Z_|]+)"/g))
    for (const code of codesOf.split('|'))
      t.match(
        text,
        new RegExp(`^wardchain_alarms_total\\{code="${code}"\\} \\d`, 'm'),
        `${code} counts from 0`,
      )
  t.match(text, /^wardchain_votes_withheld 0$/m)
  const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name]) => name)
  const documented = readFileSync('docs/alerts.md', 'utf8')
  for (const alert of alerts) t.ok(documented.includes(`| ${alert} `), `${alert} says what to do`)
  await single.node.seal()
  t.match(await single.node.metrics(), /^wardchain_sealed 1$/m)
})
