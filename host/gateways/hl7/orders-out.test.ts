import { createServer, type Server } from 'node:net'
import t from 'tap'

import { createFramer, frameMessage } from './framer.js'
import { readOrderReply, orderOfResult } from './order-replies.js'
import {
  buildOrder,
  orderItemsMax,
  sendOrder,
  type LaboratoryOrder,
  type OrderDestination,
  type OrderItem,
} from './orders-out.js'
import { parseMessage, valueAt } from './tokenizer.js'

const nowMs = Date.UTC(2026, 10, 22, 10, 16)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const lines = (bytes: Uint8Array): string[] => new TextDecoder().decode(bytes).trimEnd().split('\r')

const destination: OrderDestination = {
  host: '127.0.0.1',
  port: 0,
  version: '2.5.1',
  sendingApplication: 'WARDCHAIN',
  sendingFacility: 'HOSPITAL',
  receivingApplication: 'LAB',
  receivingFacility: 'BASEMENT',
  processingId: 'P',
  placerNamespace: 'WARDCHAIN',
}
const blood = { code: '119297000', display: 'Blood specimen', system: 'SCT' }
const culture = (placerNumber: string, side: 'Left' | 'Right'): OrderItem => ({
  placerNumber,
  test: { code: '600-7', display: 'Bacteria identified in Blood by Culture', system: 'LN' },
  specimen: blood,
  specimenSite: { code: side === 'Left' ? 'LA' : 'RA', display: `${side} arm`, system: 'L' },
  priority: 'S',
})
const lactate: OrderItem = {
  placerNumber: 'W-3',
  test: { code: '2524-7', display: 'Lactate', system: 'LN' },
  priority: 'S',
  note: 'sepsis screen | repeat if > 2',
}
const order: LaboratoryOrder = {
  control: 'NW',
  patient: {
    identifiers: [{ value: '10012877', authority: 'WARDCHAIN', type: 'MR' }],
    name: { family: 'JONES', given: 'LISA' },
    birthDate: '19970514',
    sex: 'F',
    location: { ward: '4WEST', room: '412', bed: 'A' },
    visitNumber: 'V3300417',
  },
  provider: { number: 'D77', family: "O'Hara & Sons", given: 'MAE' },
  orderTimeMs: nowMs,
  group: 'SEPSIS-1',
  items: [culture('W-1', 'Left'), culture('W-2', 'Right'), lactate],
}

t.test('OML^O21, version 2.5.1', async (t) => {
  const bytes = buildOrder(order, destination, 'O-1', nowMs)
  const time = '20261122101600.000+0000'
  const by = "D77^O'Hara \\T\\ Sons^MAE"
  const test = '600-7^Bacteria identified in Blood by Culture^LN'
  t.same(lines(bytes), [
    `MSH|^~\\&|WARDCHAIN|HOSPITAL|LAB|BASEMENT|${time}||OML^O21^OML_O21|O-1|P|2.5.1||||||UNICODE UTF-8`,
    'PID|1||10012877^^^WARDCHAIN^MR||JONES^LISA||19970514|F',
    'PV1|1|I|4WEST^412^A||||||||||||||||V3300417',
    `ORC|NW|W-1^WARDCHAIN||SEPSIS-1^WARDCHAIN|||||${time}|||${by}`,
    'TQ1|1||||||||S',
    `OBR|1|W-1^WARDCHAIN||${test}||||||||||||${by}`,
    'SPM|1|||119297000^Blood specimen^SCT||||LA^Left arm^L',
    `ORC|NW|W-2^WARDCHAIN||SEPSIS-1^WARDCHAIN|||||${time}|||${by}`,
    'TQ1|1||||||||S',
    `OBR|2|W-2^WARDCHAIN||${test}||||||||||||${by}`,
    'SPM|1|||119297000^Blood specimen^SCT||||RA^Right arm^L',
    `ORC|NW|W-3^WARDCHAIN||SEPSIS-1^WARDCHAIN|||||${time}|||${by}`,
    'TQ1|1||||||||S',
    `OBR|3|W-3^WARDCHAIN||2524-7^Lactate^LN||||||||||||${by}`,
    'NTE|1|P|sepsis screen \\F\\ repeat if > 2',
  ])
  t.same(buildOrder(order, destination, 'O-1', nowMs), bytes, 'the same order gives the same bytes')
  const parsed = parseMessage(bytes)
  const obr = parsed.ok ? parsed.message.segments[5] : undefined
  t.equal(parsed.ok && obr && valueAt(parsed.message, obr, 16, 2), "O'Hara & Sons", 'OBR-16 is who ordered')
})

t.test('ORM^O01 for older laboratories', async (t) => {
  const [msh, , , orc, obr] = lines(buildOrder(order, { ...destination, version: '2.3' }, 'O-1', nowMs))
  t.match(msh, /\|ORM\^O01\|O-1\|P\|2\.3\|/)
  t.match(orc?.split('|')[7], '^^^^^S')
  t.equal(obr?.split('|')[15], '119297000&Blood specimen&SCT^^^LA&Left arm&L')
  t.equal(obr?.split('|')[27], '^^^^^S')
})

t.test('orders that cannot be sent', async (t) => {
  const invalid = (change: Partial<LaboratoryOrder>) =>
    t.throws(() => buildOrder({ ...order, ...change }, destination, 'O-1', nowMs), {
      code: 'ORDER_INVALID',
    })
  invalid({ items: [] })
  invalid({ items: [lactate, lactate] })
  invalid({ items: [{ ...lactate, placerNumber: '' }] })
  invalid({ items: [{ ...lactate, test: { code: '', display: '', system: '' } }] })
  invalid({ control: 'SC' })
  invalid({ patient: { ...order.patient, identifiers: [] } })
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...lactate, placerNumber: `N${n}` }))
  invalid({ items: many(orderItemsMax + 1) })
  t.ok(buildOrder({ ...order, items: many(orderItemsMax) }, destination, 'O-1', nowMs))
})

const reply = (...segments: string[]): Uint8Array =>
  utf8(
    ['MSH|^~\\&|LAB|BASEMENT|WARDCHAIN|HOSPITAL|||ORL^O22^ORL_O22|L1|P|2.5.1', ...segments, ''].join('\r'),
  )

t.test('replies bring the filler numbers', async (t) => {
  const read = (...segments: string[]) => readOrderReply(reply(...segments), 'O-1', order.items)
  t.same(
    read(
      'MSA|AA|O-1',
      'PID|1||10012877',
      'ORC|OK|W-1^WARDCHAIN|F-91^LAB',
      'ORC|NA|W-2',
      'OBR|1|W-2|F-92',
      'ORC|UA|W-3',
    ),
    {
      code: 'AA',
      sentence: '',
      items: [
        { placerNumber: 'W-1', fillerNumber: 'F-91', answer: 'accepted', control: 'OK' },
        { placerNumber: 'W-2', fillerNumber: 'F-92', answer: 'accepted', control: 'NA' },
        { placerNumber: 'W-3', fillerNumber: '', answer: 'refused', control: 'UA' },
      ],
    },
  )
  t.match(read('MSA|AE|O-1|no', 'ERR|||204^Unknown key identifier|E||||No such patient.'), {
    code: 'AE',
    sentence: 'No such patient.',
    items: [],
  })
  t.match(read('MSA|AA|O-1', 'ORC|ZZ|W-1|F'), { items: [{ answer: 'unclear', control: 'ZZ' }] })
  t.match(read('MSA|AA|O-1', 'ORC|constructor|W-1|F'), { items: [{ answer: 'unclear' }] })
  t.throws(() => read('MSA|AA|O-2', 'ORC|OK|W-1|F'), { code: 'REPLY_MISMATCHED' })
  t.throws(() => read('MSA|AA|O-1', 'ORC|OK|W-9|F'), { code: 'REPLY_UNKNOWN_ITEM' })
  t.throws(() => read('MSA|AA|O-1', 'ORC|OK|W-1|F', 'ORC|OK|W-1|G'), { code: 'REPLY_UNKNOWN_ITEM' })
  t.throws(() => read('ORC|OK|W-1|F'), { code: 'REPLY_MALFORMED' })
  t.throws(() => readOrderReply(utf8('hello'), 'O-1', order.items), { code: 'REPLY_MALFORMED' })
  const result = utf8('MSH|^~\\&|L|B|W|H|||ORU^R01|1|P|2.5.1\rMSA|AA|O-1\r')
  t.throws(() => readOrderReply(result, 'O-1', order.items), { code: 'REPLY_MALFORMED' })
})

t.test('which order a result answers', async (t) => {
  const first = { placerNumber: 'W-1', fillerNumber: 'F-91' }
  const second = { placerNumber: 'W-2', fillerNumber: '' }
  const orders = [first, second]
  t.equal(orderOfResult(orders, { placer: 'W-1', filler: 'F-91' }), first)
  t.equal(orderOfResult(orders, { placer: '', filler: 'F-91' }), first)
  t.equal(
    orderOfResult(orders, { placer: 'W-2', filler: 'F-92' }),
    second,
    'its filler number was not known yet',
  )
  t.equal(orderOfResult(orders, { placer: '', filler: 'F-99' }), undefined)
  t.equal(orderOfResult(orders, { placer: '', filler: '' }), undefined)
  t.equal(orderOfResult(orders, { placer: 'W-2', filler: 'F-91' }), 'conflict')
  t.equal(orderOfResult(orders, { placer: 'W-1', filler: 'F-99' }), 'conflict')
})

// A laboratory of one line: it numbers every ORC of the order that it gets.
async function openLaboratory(
  control: string,
): Promise<{ server: Server; port: number; orders: Uint8Array[] }> {
  const orders: Uint8Array[] = []
  const server = createServer((socket) => {
    const framer = createFramer()
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (const event of framer.push(chunk)) {
        const parsed = event.kind === 'frame' ? parseMessage(event.bytes) : undefined
        if (event.kind !== 'frame' || parsed?.ok !== true) continue
        orders.push(event.bytes)
        const { segments } = parsed.message
        const orcs = segments.filter(({ name }) => name === 'ORC')
        const answers = orcs.map(({ fields }, index) => `ORC|${control}|${fields[2]}|F-${index}^LAB`)
        socket.write(frameMessage(reply(`MSA|AA|${segments[0]?.fields[10]}`, ...answers)))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0, orders }
}

t.test('an order goes over a socket and its numbers come back', async (t) => {
  const laboratory = await openLaboratory('OK')
  t.teardown(() => laboratory.server.close())
  const there = { ...destination, port: laboratory.port }
  const answered = await sendOrder(order, there, 'O-7', nowMs, { timeoutMs: 2_000 })
  t.same(
    answered.items.map(({ placerNumber, fillerNumber, answer }) => [placerNumber, fillerNumber, answer]),
    [
      ['W-1', 'F-0', 'accepted'],
      ['W-2', 'F-1', 'accepted'],
      ['W-3', 'F-2', 'accepted'],
    ],
  )
  t.same(laboratory.orders, [buildOrder(order, there, 'O-7', nowMs)])
})

t.test('a laboratory that is away, or silent', async (t) => {
  const silent = createServer((socket) => socket.on('error', () => undefined).resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await t.rejects(sendOrder(order, { ...destination, port }, 'O-8', nowMs, { timeoutMs: 60 }), {
    code: 'MLLP_TIMEOUT',
  })
  await new Promise((resolve) => silent.close(resolve))
  await t.rejects(sendOrder(order, { ...destination, port }, 'O-8', nowMs), { code: 'MLLP_CONNECT_FAILED' })
})
