// Small pieces that every part of the chart uses: severity, finality, ages with the whole time on demand.
import type { Finality, PersonView } from '../../channel/views.js'
import { shortId, visibleText } from '../../values/text.js'
import { formatAge, formatClock, formatFull } from '../../values/time.js'

const severityWords = ['', 'Info', 'Urgent', 'Critical'] as const
const severityShapes = ['', '●', '▲', '◆'] as const

export function Severity({ severity }: { severity: number }) {
  const level = Math.min(3, Math.max(1, severity))
  return (
    <span class={`severity severity-${level}`}>
      <span aria-hidden="true">{severityShapes[level]}</span> {severityWords[level]}
    </span>
  )
}

const finalityShapes: Readonly<Record<Finality, string>> = { tentative: '○', final: '■', retracted: '✕' }

/** Three words, three shapes: computed here, agreed by the network, or no longer so. */
export function FinalityMark({ finality, height }: { finality: Finality; height: number }) {
  const place = finality === 'final' && height > 0 ? ` · block ${height}` : ''
  const hint = finality === 'tentative' ? ' · computed here, not agreed yet' : ''
  return (
    <span class={`mark ${finality}`} data-testid="finality">
      <span aria-hidden="true">{finalityShapes[finality]}</span> {finality}
      {place}
      {hint}
    </span>
  )
}

/** Who it was; an id where the node tells no name, never a blank. */
export const authorName = (author: PersonView): string =>
  author.label === '' ? `entity ${shortId(author.entity)}` : visibleText(author.label, 100)

/** `12 min ago`, with clock time beside it and the zone in the tooltip. */
export function When({ time, now }: { time: number; now: number }) {
  return (
    <time dateTime={new Date(time).toISOString()} title={formatFull(time)}>
      {formatAge(time, now)} ({formatClock(time, now)})
    </time>
  )
}
