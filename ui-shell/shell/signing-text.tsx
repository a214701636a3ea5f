// All that will be signed, uncut, in a part of the dialog that scrolls; says when its end has been on
// screen.
import { useEffect, useRef } from 'preact/hooks'
import type { PersonView, PreparedView } from '../channel/views.js'
import { visibleText } from '../values/text.js'
import { formatLeft } from '../values/time.js'

export interface SigningTextProps {
  prepared: PreparedView
  application: string
  person: PersonView | undefined
  now: number
  /** The last line has been on screen: at once when everything fits. */
  onEnd: () => void
}

/** Nothing that is signed is cut: the channel and the API bound it, the dialog scrolls. */
const wholeText = (text: string): string => visibleText(text, Number.POSITIVE_INFINITY)

/** Characters of the decoded lines, as people count them. */
export const textLength = (prepared: PreparedView): number =>
  prepared.summary.reduce((sum, line) => sum + [...line.text].length, 0)

/** Where reading begins: the text, if its end is not on screen at once; undefined when all of it is. */
export function unreadText(dialog: HTMLDialogElement): HTMLElement | undefined {
  const text = dialog.querySelector<HTMLElement>('.summary-scroll')
  if (text === null) return undefined
  const isWhole =
    text.scrollHeight <= text.clientHeight + 1 &&
    text.getBoundingClientRect().bottom <= dialog.getBoundingClientRect().bottom
  return isWhole ? undefined : text
}

export function SigningText({ prepared, application, person, now, onEnd }: SigningTextProps) {
  const end = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (end.current === null) return
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return
        observer.disconnect()
        onEnd()
      },
      // More than half of the mark: a mark that only touches the edge has not been seen. What was scrolled
      // past, above the edge, counts: a key may jump beyond it between two frames.
      { root: end.current.closest('dialog'), rootMargin: '1000000px 0px 0px 0px', threshold: 0.5 },
    )
    observer.observe(end.current)
    return () => observer.disconnect()
  }, [])
  return (
    <>
      <div
        class="summary-scroll"
        tabIndex={0}
        role="group"
        aria-label="What will be signed"
        data-testid="signing-text"
      >
        <dl class="summary">
          {prepared.summary.map((line, index) => (
            <div key={index}>
              <dt>{wholeText(line.label)}</dt>
              <dd>{wholeText(line.text)}</dd>
            </div>
          ))}
          <div>
            <dt>Signer</dt>
            <dd>{visibleText(person?.label ?? '', 100)}</dd>
          </div>
          <div>
            <dt>Asked by</dt>
            <dd>{visibleText(application, 100)}</dd>
          </div>
        </dl>
        <div ref={end} class="summary-end" aria-hidden="true" />
      </div>
      <details>
        <summary>Bytes that will be signed</summary>
        <p class="muted">
          {prepared.bytesHex.length / 2} bytes, lane {prepared.lane}, can be signed for{' '}
          {formatLeft(prepared.expires - now)}
        </p>
        <p class="bytes" tabIndex={0} aria-label="Bytes as hexadecimal">
          {prepared.bytesHex}
        </p>
      </details>
    </>
  )
}
