// Starts the shell in the page that the node served.
import { render } from 'preact'
import { createShellApi } from './api.js'
import { Shell } from './shell.js'
import { createController } from './shell-state.js'

const pageToken = document.querySelector<HTMLMetaElement>('meta[name="wardchain-page"]')?.content ?? ''
/** A page that is refused at once would be refused again: it stays and says so. */
const reloadAfterMs = 3_000
const api = createShellApi(pageToken, () => {
  if (performance.now() > reloadAfterMs) location.reload()
})
const controller = createController(api)
const root = document.getElementById('shell')
if (root !== null) {
  render(<Shell api={api} controller={controller} />, root)
  controller.start()
}
