// Where the page of the chain is shown. While a dialog is open the frame is hidden, so that it can imitate
// nothing.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { PatientView } from '../channel/views.js'
import type { Answer, Refusal, ShellApi } from './api.js'
import { openFrame, type FrameHost } from './frame-host.js'
import { noticeOf, type ShellController, type ShellState } from './shell-state.js'
import { requestSigning, type SigningRequest } from './signing.js'

export interface FrameViewProps {
  state: ShellState
  patient: PatientView
  api: ShellApi
  controller: ShellController
  isPaused: boolean
  onActive: () => void
  onSigning: (request: SigningRequest | undefined) => void
}

export function FrameView(props: FrameViewProps) {
  const { state, patient, api, controller, isPaused, onSigning } = props
  const place = useRef<HTMLDivElement>(null)
  const host = useRef<FrameHost | undefined>(undefined)
  const isSigning = useRef(false)
  const [word, setWord] = useState<string>('Opening the page and checking it against the chain…')
  const propose = async (proposal: unknown, application: string): Promise<Answer<unknown>> => {
    if (isSigning.current) {
      return {
        ok: false,
        code: 'BUSY',
        sentence: 'Another signature is waiting. Finish it first.',
        detail: '',
      }
    }
    isSigning.current = true
    try {
      const refused = (refusal: Refusal): void => controller.notify(noticeOf(refusal))
      const context = { application, patient: patient.patient, show: onSigning, refused }
      return await requestSigning(api, proposal, context)
    } finally {
      isSigning.current = false
    }
  }
  useEffect(() => {
    if (place.current === null || state.person === undefined) return
    host.current = openFrame({
      container: place.current,
      api,
      alias: state.pageAlias,
      patient,
      person: state.person,
      tip: () => tipOf(controller.state()),
      propose,
      onActive: props.onActive,
      onReady: () => setWord(''),
      onRemoved: setWord,
    })
    return () => host.current?.close()
  }, [])
  useEffect(() => host.current?.changed('records'), [state.changes.records])
  useEffect(() => host.current?.changed('alerts'), [state.changes.alerts])
  useEffect(() => host.current?.changed('orders'), [state.changes.orders])
  const wasPaused = useRef(false)
  useEffect(() => {
    // A dialog took the focus out of the frame; give it back, so that the keyboard goes on where it was.
    const give = (): void => {
      if (document.querySelector('dialog[open]') === null) place.current?.querySelector('iframe')?.focus()
    }
    const giveIfNobodyHasIt = (): void => {
      if (document.activeElement === document.body) give()
    }
    if (wasPaused.current && !isPaused) {
      give()
      // A dialog that goes away after this takes the focus with it.
      for (const afterMs of [50, 300]) setTimeout(giveIfNobodyHasIt, afterMs)
    }
    wasPaused.current = isPaused
  }, [isPaused])
  useEffect(() => host.current?.tick(), [state.status?.height, state.isReachable])
  return (
    <div class="frame-place">
      {word !== '' && (
        <p class="frame-word" role="status" data-testid="frame-word">
          {word}
        </p>
      )}
      {isPaused && <p class="frame-word">Paused while you sign</p>}
      <div ref={place} class={`frame ${isPaused ? 'paused' : ''}`} inert={isPaused} />
    </div>
  )
}

function tipOf(state: ShellState): { height: number; blockTime: number; isReachable: boolean } {
  const { height = 0, blockTime = 0 } = state.status ?? {}
  return { height, blockTime, isReachable: state.isReachable }
}
