// One minute before the session ends it asks, and one key keeps it open (WCAG 2.2.1).
import { useEffect, useRef } from 'preact/hooks'
import { formatLeft } from '../values/time.js'

/** How long before the end the question comes. */
export const warnMs = 60_000

export interface LockWarningProps {
  expires: number
  now: number
  extend: () => Promise<void>
  lock: () => void
}

export function LockWarning({ expires, now, extend, lock }: LockWarningProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const isDue = expires - now <= warnMs
  const isOver = expires - now <= 0
  useEffect(() => {
    if (isDue) dialog.current?.showModal()
    else dialog.current?.close()
  }, [isDue])
  useEffect(() => {
    if (isOver) lock()
  }, [isOver])
  return (
    <dialog ref={dialog} class="warning" aria-labelledby="lock-title" onCancel={() => void extend()}>
      <h2 id="lock-title">Still there?</h2>
      <p role="timer">This screen locks in {formatLeft(expires - now)}. Nothing that was signed is lost.</p>
      <div class="actions">
        <button type="button" class="primary" onClick={() => void extend()}>
          Stay signed in
        </button>
        <button type="button" onClick={lock}>
          Lock now
        </button>
      </div>
    </dialog>
  )
}
