// Which screen is drawn: unlock, sign in, the patient list, or one patient with the page that the chain
// holds.
import { useEffect, useReducer, useRef, useState } from 'preact/hooks'
import type { ShellApi } from './api.js'
import { AlertStrip } from './alert-strip.js'
import { FrameView } from './frame-view.js'
import { LockWarning } from './lock-warning.js'
import { PatientBanner } from './patient-banner.js'
import { PatientList } from './patient-list.js'
import type { ShellController, ShellState } from './shell-state.js'
import { SignInPage } from './sign-in-page.js'
import { SigningDialog } from './signing-dialog.js'
import type { SigningRequest } from './signing.js'
import { EnvironmentStrip, NoticeLine, QuarantineStrip } from './strips.js'
import { TopBar } from './top-bar.js'
import { UnlockPage } from './unlock-page.js'

export interface ShellProps {
  api: ShellApi
  controller: ShellController
}

export function Shell({ api, controller }: ShellProps) {
  const state = useController(controller)
  useTitle(state)
  switch (state.phase) {
    case 'starting':
      return (
        <main class="lone">
          <p role="status">Asking this computer’s node…</p>
          {!state.isReachable && (
            <p class="problem">The node does not answer yet. This page tries again.</p>
          )}
        </main>
      )
    case 'sealed':
      return <UnlockPage status={state.status} isReachable={state.isReachable} unlock={controller.unlock} />
    case 'signedOut':
      return <SignInPage state={state} signIn={(person, password) => controller.signIn(person, password)} />
    case 'signedIn':
      return <Ward key={state.person?.entity} state={state} api={api} controller={controller} />
  }
}

function Ward({ state, api, controller }: ShellProps & { state: ShellState }) {
  const [signing, setSigning] = useState<SigningRequest | undefined>(undefined)
  const now = useNow()
  const onActivity = useActivity(controller)
  const patient = state.patient
  // A dialog opened for one patient never outlives the banner.
  useEffect(() => {
    setSigning((current) => {
      current?.abandon()
      return undefined
    })
  }, [patient?.patient, state.frameKey])
  return (
    <div class="ward" onPointerDown={onActivity} onKeyDown={onActivity}>
      <EnvironmentStrip environment={state.status?.environment ?? ''} />
      <TopBar state={state} now={now} controller={controller} />
      <QuarantineStrip rules={state.status?.quarantined} now={now} />
      <AlertStrip state={state} now={now} open={controller.openPatient} />
      <NoticeLine notice={state.notice} dismiss={() => controller.notify(undefined)} />
      {patient === undefined ? (
        <PatientList state={state} now={now} open={controller.openPatient} />
      ) : (
        <main class="chart" aria-label="Patient">
          <PatientBanner patient={patient} now={now} close={() => controller.openPatient(undefined)} />
          <FrameView
            key={`${patient.patient} ${state.frameKey}`}
            state={state}
            patient={patient}
            api={api}
            controller={controller}
            isPaused={signing !== undefined}
            onActive={onActivity}
            onSigning={setSigning}
          />
        </main>
      )}
      {signing !== undefined && (
        <SigningDialog
          key={signing.prepared.id}
          request={signing}
          openPatient={patient?.patient}
          person={state.person}
          api={api}
          now={now}
          close={() => setSigning(undefined)}
          notify={controller.notify}
        />
      )}
      <LockWarning expires={state.expires} now={now} extend={controller.extend} lock={controller.signOut} />
    </div>
  )
}

function useController(controller: ShellController): ShellState {
  const [, redraw] = useReducer((count: number, _step: number) => count + 1, 0)
  useEffect(() => controller.subscribe(() => redraw(0)), [controller])
  return controller.state()
}

/** Time for ages and countdowns, once a second. */
function useNow(): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return now
}

/** The node ends an idle session; what the person does prolongs it, at most every 20 s. */
const extendEveryMs = 20_000

function useActivity(controller: ShellController): () => void {
  const last = useRef(Date.now())
  return () => {
    const now = Date.now()
    if (now - last.current < extendEveryMs) return
    last.current = now
    void controller.extend()
  }
}

/**
 * A tab's title is seen in task bars and screenshots: it never names a patient, and says nothing while
 * sealed.
 */
function useTitle(state: ShellState): void {
  useEffect(() => {
    document.title = state.phase === 'signedIn' ? 'wardchain' : '\u200b'
  }, [state.phase])
}
