// What people saw at the bedside, in their own coded words.
import type { RecordView } from '../../channel/views.js'
import { formatConcept, visibleText } from '../../values/text.js'
import { authorName, FinalityMark, When } from './words.js'

export function Findings({ findings, now }: { findings: RecordView[] | undefined; now: number }) {
  return (
    <section aria-labelledby="findings-title">
      <h2 id="findings-title">Findings</h2>
      {findings === undefined && <p class="muted">Reading…</p>}
      {findings?.length === 0 && <p class="muted">None recorded.</p>}
      <ul class="cards">
        {(findings ?? []).map((finding) => (
          <li class="card" key={finding.id} data-testid="finding">
            <h3>
              {formatConcept(finding.code)}: {conceptsOf(finding)}
            </h3>
            {textOf(finding, 'site') !== '' && <p>Site: {formatConcept(textOf(finding, 'site'))}</p>}
            {textOf(finding, 'text') !== '' && <p>“{visibleText(textOf(finding, 'text'), 1_000)}”</p>}
            <p class="muted">
              {authorName(finding.author)}, <When time={finding.effectiveTime} now={now} />{' '}
              <FinalityMark finality={finding.finality} height={finding.arrivalHeight} />
            </p>
          </li>
        ))}
      </ul>
    </section>
  )
}

function conceptsOf(finding: RecordView): string {
  const concepts = finding.body?.concepts
  if (!Array.isArray(concepts) || concepts.length === 0)
    return finding.body === null ? 'erased' : 'no coded finding'
  return concepts.map((concept) => formatConcept(String(concept)).toLowerCase()).join(', ')
}

function textOf(finding: RecordView, name: string): string {
  const value = finding.body?.[name]
  return typeof value === 'string' ? value : ''
}
