// The display rules of shell.md section 3, as tables: exact text or nothing.
import fc from 'fast-check'
import t from 'tap'
import { fahrenheitOf, formatDecimal, formatQuantity, formatUnit } from './number.js'
import { formatConcept, formatName, shortId, visibleText } from './text.js'
import { ageYears, formatAge, formatBirthDate, formatClock, formatFull, formatLeft } from './time.js'

t.test('numbers: no trailing zero, a leading zero, thousands apart', async (t) => {
  const cases: [value: string, scale: number, text: string][] = [
    ['386', 1, '38.6'],
    ['50', 1, '5'],
    ['5', 1, '0.5'],
    ['5', 3, '0.005'],
    ['0', 0, '0'],
    ['0', 2, '0'],
    ['100', 0, '100'],
    ['1234567', 0, '1,234,567'],
    ['12345678', 2, '123,456.78'],
    ['1000', 3, '1'],
    ['-5', 1, '\u22120.5'],
    ['-0', 1, '0'],
    ['007', 0, '7'],
    ['123456', 0, '123,456'],
    ['12', -1, '—'],
    ['1.5', 0, '—'],
    ['', 0, '—'],
    ['NaN', 0, '—'],
  ]
  for (const [value, scale, text] of cases)
    t.equal(formatDecimal(value, scale), text, `${value} e-${scale}`)
})

t.test('numbers: never more digits than the source sent, never another value', async (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), fc.integer({ min: 0, max: 6 }), (value, scale) => {
      const text = formatDecimal(value.toString(), scale)
      const [whole, fraction = ''] = text.replaceAll(',', '').split('.')
      const back = BigInt(whole + fraction.padEnd(scale, '0'))
      return back === value && fraction.length <= scale && !fraction.endsWith('0')
    }),
  )
  t.pass()
})

t.test('units beside every value', async (t) => {
  t.equal(formatQuantity('386', 1, 'Cel'), '38.6\u00a0°C')
  t.equal(formatQuantity('80', 0, 'mm[Hg]'), '80\u00a0mmHg')
  t.equal(formatQuantity('10', 0, '[iU]'), '10\u00a0units')
  t.equal(formatQuantity('7', 0, '{score}'), '7')
  t.equal(formatUnit('10*9/L'), '×10⁹/L')
  t.equal(formatUnit('ug'), 'micrograms')
  t.equal(formatUnit('mmol/L'), 'mmol/L')
})

t.test('Fahrenheit is for display only and rounds half up', async (t) => {
  const cases: [value: string, scale: number, text: string | undefined][] = [
    ['386', 1, '101.5\u00a0°F'],
    ['370', 1, '98.6\u00a0°F'],
    ['38', 0, '100.4\u00a0°F'],
    ['3861', 2, '101.5\u00a0°F'],
    ['-400', 1, '\u221240\u00a0°F'],
    ['-178', 1, '0\u00a0°F'],
    ['x', 1, undefined],
  ]
  for (const [value, scale, text] of cases) t.equal(fahrenheitOf(value, scale), text, value)
})

t.test('ages at their edges', async (t) => {
  const now = 1_700_000_000_000
  const cases: [ageMs: number, text: string][] = [
    [0, 'just now'],
    [4_999, 'just now'],
    [5_000, '5 s ago'],
    [59_999, '59 s ago'],
    [60_000, '1 min ago'],
    [61_000, '1 min ago'],
    [12 * 60_000, '12 min ago'],
    [3_599_999, '59 min ago'],
    [3_600_000, '1 h ago'],
    [47 * 3_600_000, '47 h ago'],
    [48 * 3_600_000, '2 d ago'],
    [-500, 'just now'],
    [-90_000, '1 min ahead of this clock'],
  ]
  for (const [age, text] of cases) t.equal(formatAge(now - age, now), text, text)
  t.equal(formatLeft(59_001), '1 min 0 s')
  t.equal(formatLeft(59_000), '59 s')
  t.equal(formatLeft(-1), '0 s')
})

t.test('clock times name the day only when it is another', async (t) => {
  const now = new Date(2026, 10, 22, 10, 32, 7).getTime()
  t.equal(formatClock(now, now), '10:32')
  t.equal(formatClock(now - 24 * 3_600_000, now), '21 Nov 10:32')
  t.match(formatFull(now), /^2026-11-22 10:32:07 UTC[+-]\d\d:\d\d$/)
})

t.test('dates of birth and ages', async (t) => {
  const now = new Date(2026, 10, 22).getTime()
  t.equal(formatBirthDate(19970314), '14 Mar 1997')
  t.equal(formatBirthDate(0), 'not recorded')
  t.equal(formatBirthDate(19971301), 'not recorded')
  t.equal(ageYears(19970314, now), 29)
  t.equal(ageYears(19971122, now), 29)
  t.equal(ageYears(19971123, now), 28)
  t.equal(ageYears(0, now), undefined)
  t.equal(ageYears(20270101, now), undefined)
})

t.test('names and text from outside hide nothing', async (t) => {
  t.equal(formatName('Jones', 'Lisa'), 'JONES, Lisa')
  t.equal(formatName('', ''), 'NAME NOT RECORDED')
  t.equal(visibleText('a\u202eb'), 'a⟨U+202E⟩b')
  t.equal(visibleText('a\u0000b\u200bc'), 'a⟨U+0000⟩b⟨U+200B⟩c')
  t.equal(visibleText('one\r\ntwo\tthree'), 'one two three')
  t.equal(visibleText('<b>&amp;'), '<b>&amp;', 'markup stays text; the screen writes text nodes')
  t.equal(visibleText('Žofie 😀'), 'Žofie 😀')
  t.equal(visibleText('x'.repeat(5), 3), 'xxx…')
  t.equal(formatConcept('purulent-drainage'), 'Purulent drainage')
  t.equal(shortId('ab'.repeat(32)), 'abababab…abab')
})
