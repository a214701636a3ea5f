// The latest vital signs as tiles: value, age, source, and whether anyone has confirmed it. Gaps are said,
// not filled.
import type { RecordView } from '../../channel/views.js'
import { visibleText } from '../../values/text.js'
import { formatClock } from '../../values/time.js'
import {
  observationText,
  sourceWordOf,
  vitalSigns,
  vitalTile,
  type SourceWord,
  type VitalTile,
} from '../../values/vital-signs.js'
import { FinalityMark, When } from './words.js'

const sourceShapes: Readonly<Record<SourceWord, string>> = {
  device: '▣',
  validated: '✓',
  'by hand': '✎',
  laboratory: '⚗',
  imported: '⇣',
}

export function Vitals({ observations, now }: { observations: RecordView[] | undefined; now: number }) {
  return (
    <section aria-labelledby="vitals-title">
      <h2 id="vitals-title">Latest vital signs</h2>
      {observations === undefined ? (
        <p class="muted">Reading…</p>
      ) : (
        <>
          <Tiles tiles={vitalSigns.map((sign) => vitalTile(sign, observations, now))} now={now} />
          <Readings observations={observations} now={now} />
        </>
      )}
    </section>
  )
}

/** What was measured stands large; what was not is named beside it, one by one, never left out. */
function Tiles({ tiles, now }: { tiles: VitalTile[]; now: number }) {
  const missing = tiles.filter((tile) => tile.time === undefined)
  return (
    <>
      <ul class="tiles">
        {tiles
          .filter((tile) => tile.time !== undefined)
          .map((tile) => (
            <Tile key={tile.label} tile={tile} now={now} />
          ))}
      </ul>
      {missing.length > 0 && (
        <ul class="gaps" aria-label="Not measured">
          {missing.map((tile) => (
            <li key={tile.label} data-testid="gap">
              {tile.label} <strong>{tile.value}</strong> {tile.note}
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function Tile({ tile, now }: { tile: VitalTile; now: number }) {
  const classes = ['tile', tile.isUnvalidated ? 'dashed' : '', tile.isStale ? 'stale' : '']
  return (
    <li class={classes.join(' ')} data-testid="vital" data-label={tile.label}>
      <h3>{tile.label}</h3>
      <p class="value">
        {tile.corrected !== undefined && (
          <del title="corrected">
            <span class="unseen">corrected from </span>
            {tile.corrected}
          </del>
        )}{' '}
        {visibleText(tile.value, 60)}
      </p>
      {tile.note !== '' && <p class="note">{tile.note}</p>}
      {tile.time !== undefined && (
        <p class="note">
          {tile.isStale && <strong>stale · </strong>}
          <When time={tile.time} now={now} />
        </p>
      )}
      {tile.source !== undefined && (
        <p class="note">
          <span aria-hidden="true">{sourceShapes[tile.source]}</span> {tile.source}
          {tile.sourceName !== '' && <> · {visibleText(tile.sourceName, 60)}</>}
          {tile.isUnvalidated && <> · unvalidated</>}
        </p>
      )}
      {tile.clockNote !== '' && <p class={`note ${tile.isClockWrong ? 'warn' : ''}`}>{tile.clockNote}</p>}
      {tile.isTentative && <FinalityMark finality="tentative" height={0} />}
    </li>
  )
}

/** The table twin of the tiles: every reading at hand, newest first. */
function Readings({ observations, now }: { observations: RecordView[]; now: number }) {
  const labels = new Map(vitalSigns.flatMap((sign) => sign.codes.map((code) => [code, sign.label])))
  const rows = [...observations]
    .sort((left, right) => right.effectiveTime - left.effectiveTime)
    .slice(0, 40)
  if (rows.length === 0) return null
  return (
    <details>
      <summary>All readings at hand ({rows.length})</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Readings">
        <table>
          <caption>Readings, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">What</th>
              <th scope="col">Value</th>
              <th scope="col">Source</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((record) => (
              <tr key={record.id}>
                <td>{formatClock(record.effectiveTime, now)}</td>
                <th scope="row">
                  {labels.get(record.code) ?? record.code} <small>{record.code}</small>
                </th>
                <td>{visibleText(observationText(record), 60)}</td>
                <td>{sourceWordOf(record)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}
