// Every way in which a quorum of four can answer, one of them lying: a read never begins below what was
// acknowledged before it.
import t from 'tap'
import type { Certificate } from '../../runtime/protocol/certificate.js'
import { readIndexOf, type HeldCertificate, type ReadAnswer } from './read-index.js'

const zero = new Uint8Array(32)
const held = (height: number, phase: HeldCertificate['phase'] = 'commit'): HeldCertificate => {
  const certificate: Certificate = {
    ...{ height, view: 0, blockHash: zero, resultHash: zero, signers: [], signatures: [] },
  }
  return { phase, certificate }
}
const forged = new Set<HeldCertificate>()
const isGenuine = (answer: HeldCertificate): boolean => !forged.has(answer)

t.test('a quorum of answers decides, and the highest of them', (t) => {
  const at = { tipHeight: 7, quorum: 3, isGenuine }
  t.equal(readIndexOf([held(7), held(7)], at), undefined, 'two of four')
  t.equal(readIndexOf([held(7), held(7), held(6)], at), 7)
  t.equal(readIndexOf([held(7), held(8, 'prepare'), held(6)], at), 8, 'one lock is enough to wait for it')
  t.equal(readIndexOf([held(7), held(7), held(99)], at), undefined, 'what cannot be checked does not count')
  t.equal(readIndexOf([held(7), held(7), held(7), held(99)], at), 7, 'and holds nobody up')
  t.equal(readIndexOf([null, null, null], { ...at, tipHeight: 0 }), 0)
  const lie = held(8)
  forged.add(lie)
  t.equal(readIndexOf([held(7), held(7), lie], at), undefined, 'a forged certificate does not count')
  t.end()
})

t.test('no reader below an acknowledged height, whoever answers and whoever lies', (t) => {
  let cases = 0
  // Member 3 lies: it shows any height, or a forged certificate. `acknowledged` was committed by member 3 and
  // two others, which therefore hold a certificate of it; the remaining one may be anywhere below.
  for (let tipHeight = 3; tipHeight <= 6; tipHeight += 1) {
    for (let acknowledged = 3; acknowledged <= 6; acknowledged += 1) {
      for (const behind of [0, 1, 2]) {
        for (let lag = 2; lag <= acknowledged; lag += 1) {
          for (let shown = 2; shown <= 9; shown += 1) {
            for (const silent of [-1, 0, 1, 2]) {
              const liar = held(shown)
              if (shown > acknowledged) forged.add(liar)
              const answers: ReadAnswer[] = [0, 1, 2].map((at) => held(at === behind ? lag : acknowledged))
              const given = [...answers.filter((_, at) => at !== silent), liar]
              const index = readIndexOf(given, { tipHeight, quorum: 3, isGenuine })
              if (index !== undefined && index < acknowledged)
                t.fail(
                  `read at ${index} below ${acknowledged}: ${tipHeight} ${behind} ${lag} ${shown} ${silent}`,
                )
              cases += 1
            }
          }
        }
      }
    }
  }
  t.ok(cases > 1_000, `${cases} cases`)
  t.end()
})
