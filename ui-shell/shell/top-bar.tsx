// Always on screen: where this is, how it stands with the network, who signs, and the way out.
import { formatConcept, visibleText } from '../values/text.js'
import { formatLeft } from '../values/time.js'
import type { ShellController, ShellState } from './shell-state.js'
import { syncStateOf } from './sync-state.js'

const toneShapes = { good: '●', fair: '▲', bad: '■' } as const

export function TopBar(props: { state: ShellState; now: number; controller: ShellController }) {
  const { state, now, controller } = props
  const sync = syncStateOf(state.status, state.isReachable, now)
  return (
    <header class="top">
      <div class="place">
        <strong>{visibleText(state.status?.chainName ?? '', 60)}</strong>
        <span class="muted">{visibleText(state.status?.name ?? '', 40)}</span>
      </div>
      <p class={`sync ${sync.tone}`} data-testid="sync">
        <span aria-hidden="true">{toneShapes[sync.tone]}</span> <strong>{sync.word}</strong>{' '}
        <span class="sync-text">{sync.text}</span>
      </p>
      <Launcher state={state} open={controller.openPage} />
      <div class="signer">
        <span class="who">
          <strong>{visibleText(state.person?.label ?? '', 100)}</strong>
          <span class="muted">
            {(state.person?.roles ?? []).map((role) => formatConcept(role)).join(', ')} · locks in{' '}
            {lockText(state.expires - now)}
          </span>
        </span>
        <button type="button" onClick={() => controller.signOut()} data-testid="sign-out">
          Lock and sign out
        </button>
      </div>
    </header>
  )
}

/** Whole minutes until the last two: a ticking second hand is noise. */
const lockText = (ms: number): string => (ms > 120_000 ? `${Math.floor(ms / 60_000)} min` : formatLeft(ms))

/** Pages of the chain for the open patient; hidden while there is nothing to choose. */
function Launcher({ state, open }: { state: ShellState; open: (alias: string) => void }) {
  if (state.patient === undefined || state.pages.length < 2) return null
  return (
    <nav class="launcher" aria-label="Pages">
      {state.pages.map((page) => (
        <button
          key={page.alias}
          type="button"
          aria-current={page.alias === state.pageAlias ? 'page' : undefined}
          onClick={() => open(page.alias)}
        >
          {visibleText(page.title, 60)}
        </button>
      ))}
    </nav>
  )
}
