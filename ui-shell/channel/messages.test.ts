// The channel's parsers: exactly what is described passes, everything else is nothing.
import fc from 'fast-check'
import t from 'tap'
import { parseFrameMessage, parseShellMessage } from './messages.js'

const good: object[] = [
  { pong: 0 },
  { id: 1, method: 'context', args: {} },
  { id: 2, method: 'active', args: {} },
  { id: 3, method: 'alerts', args: { patient: 'h' } },
  { id: 4, method: 'orders', args: { patient: 'h' } },
  { id: 5, method: 'records', args: { patient: 'h', kind: 'finding', limit: 1 } },
  { id: 6, method: 'records', args: { patient: 'h', kind: 'finding', limit: 500, code: 'c' } },
  {
    id: 7,
    method: 'propose',
    args: {
      patient: 'h',
      proposal: { type: 'call', target: 'ward/alerts', method: 'acknowledge', args: {} },
    },
  },
  {
    id: 8,
    method: 'propose',
    args: {
      patient: 'h',
      proposal: { type: 'append', records: [{ kind: 'finding', code: '', body: {} }] },
    },
  },
]

t.test('what pages may say', async (t) => {
  for (const message of good) t.same(parseFrameMessage(message), message)
})

t.test('what they may not', async (t) => {
  const bad: unknown[] = [
    null,
    'text',
    [],
    {},
    { pong: -1 },
    { pong: 1, more: 1 },
    { id: 0, method: 'context', args: {} },
    { id: 1.5, method: 'context', args: {} },
    { id: 1, method: 'context', args: { more: 1 } },
    { id: 1, method: 'context', args: {}, more: 1 },
    { id: 1, method: 'fetch', args: {} },
    { id: 1, method: 'alerts', args: {} },
    { id: 1, method: 'alerts', args: { patient: 'x'.repeat(65) } },
    { id: 1, method: 'records', args: { patient: 'h', kind: 'finding', limit: 0 } },
    { id: 1, method: 'records', args: { patient: 'h', kind: 'finding', limit: 501 } },
    { id: 1, method: 'records', args: { patient: 'h', kind: 'finding', limit: 1, patients: 'all' } },
    { id: 1, method: 'propose', args: { patient: 'h', proposal: { type: 'sign' } } },
    { id: 1, method: 'propose', args: { patient: 'h', proposal: { type: 'append', records: [] } } },
    {
      id: 1,
      method: 'propose',
      // A record that names a patient of its own choice.
      args: {
        patient: 'h',
        proposal: { type: 'append', records: [{ kind: 'f', code: '', body: {}, patient: 'p' }] },
      },
    },
    {
      id: 1,
      method: 'propose',
      args: {
        patient: 'h',
        proposal: { type: 'call', target: 'a/b', method: 'm', args: {}, attachments: [] },
      },
    },
  ]
  for (const message of bad) t.equal(parseFrameMessage(message), undefined, JSON.stringify(message))
})

t.test('one more field anywhere makes a message nothing', async (t) => {
  for (const message of good) t.equal(parseFrameMessage({ ...message, sneaky: true }), undefined)
})

t.test('any value gives a message or nothing, never an exception', async (t) => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      parseFrameMessage(value)
      parseShellMessage(value)
      return true
    }),
  )
  t.pass()
})

t.test('what the shell may say', async (t) => {
  const messages = [
    { event: 'ping', count: 1 },
    { event: 'changed', what: 'alerts' },
    { event: 'tick', height: 1, blockTime: 2, reachable: true },
    { id: 1, ok: true, value: null },
    { id: 1, ok: false, code: 'NOT_FOUND', sentence: 's' },
  ]
  for (const message of messages) t.same(parseShellMessage(message), message)
  const others = [
    { event: 'ping' },
    { event: 'changed', what: 'all' },
    { id: 1, ok: true },
    { id: 1, ok: 1 },
    { ok: true, value: 1 },
  ]
  for (const message of others) t.equal(parseShellMessage(message), undefined)
})
