// The error table is API: numbers are unique, frozen, and every sentence says what was not lost and what
// to do.
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { codeOfStatus, errorTable, statusOf, type ErrorCode } from './index.js'

t.test('numbers are unique and look up both ways', async (t) => {
  const entries = Object.entries(errorTable)
  t.equal(new Set(entries.map(([, entry]) => entry.number)).size, entries.length)
  for (const [code, entry] of entries) t.equal(codeOfStatus(entry.number), code)
  t.equal(codeOfStatus(65_000), undefined)
})

const vectors = 'runtime/protocol/vectors/error-codes.json'

t.test('numbers that were ever published keep their code', async (t) => {
  const frozen = JSON.parse(readFileSync(vectors, 'utf8')) as Record<ErrorCode, number>
  if (process.env['WARDCHAIN_WRITE_VECTORS'] === '1') {
    // New ones behind those that are there, whose numbers stay.
    const numbers = Object.entries(errorTable).map(([code, { number }]) => [code, number] as const)
    writeFileSync(vectors, `${JSON.stringify({ ...Object.fromEntries(numbers), ...frozen }, null, 1)}\n`)
  }
  for (const [code, number] of Object.entries(frozen)) t.equal(statusOf(code as ErrorCode), number, code)
})

t.test('every sentence is a sentence', async (t) => {
  for (const [code, { sentence }] of Object.entries(errorTable)) t.match(sentence, /^[A-Z].*\.$/, code)
})
