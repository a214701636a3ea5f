// FOR TESTS ONLY: cuts this node off from others while it runs, as a pulled cable would. The variable
// WARDCHAIN_TEST_CUTS names a file with the names of nodes, one a line; it is read again and again. A node
// of a real hospital, whose environment is empty, does not look at it.
import { readFileSync } from 'node:fs'
import { bytesToHex } from '../../runtime/protocol/index.js'
import type { PeerId, Transport } from '../../consensus/net/transport.js'
import type { NetworkBook } from './network-book.js'

const checkMs = 50

/** `environment` is that of `node.json`; `transport` changes when this node's role does. */
export function watchTestCuts(
  environment: string,
  book: Pick<NetworkBook, 'all'>,
  transport: () => Pick<Transport, 'cutForTest'> | undefined,
): void {
  const file = process.env['WARDCHAIN_TEST_CUTS']
  if (file === undefined || environment === '') return
  let applied = { to: transport(), text: '' }
  const check = (): void => {
    const to = transport()
    const text = textOf(file)
    if (to === undefined || (text === applied.text && to === applied.to)) return
    applied = { to, text }
    const keys = text.split('\n').flatMap((name): PeerId[] => {
      const node = book.all.find((known) => known.name === name)
      return node === undefined ? [] : [bytesToHex(node.transportKey)]
    })
    to.cutForTest(keys)
  }
  setInterval(check, checkMs).unref()
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
