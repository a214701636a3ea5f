// A progress bar for work that takes longer than two seconds. It goes to standard error, so that results
// stay clean.

const quietMs = 2_000
const redrawMs = 200
const width = 30

export interface Progress {
  /** `done` of `total`, in any unit; `total` 0 when it is not known. */
  show(label: string, done: number, total: number): void
  /** Ends the line, if there is one. */
  end(): void
}

/**
 * At a terminal one line that is redrawn; elsewhere a line each tenth of the way. Silent for the first
 * two seconds.
 */
export function createProgress(stream: NodeJS.WriteStream = process.stderr, now = Date.now): Progress {
  const begun = now()
  let drawn = 0
  let lastTenth = ''
  return {
    show(label, done, total) {
      if (now() - begun < quietMs || now() - drawn < redrawMs) return
      drawn = now()
      const text = line(label, done, total)
      if (stream.isTTY) {
        stream.write(`\r${text.padEnd(width + 50).slice(0, width + 50)}`)
        return
      }
      const tenth = `${label} ${total > 0 ? Math.floor((10 * done) / total) : Math.floor(Math.log10(done + 1))}`
      if (tenth !== lastTenth) stream.write(`${text}\n`)
      lastTenth = tenth
    },
    end() {
      if (drawn > 0 && stream.isTTY) stream.write('\n')
    },
  }
}

function line(label: string, done: number, total: number): string {
  if (total <= 0) return `${label}: ${done}`
  const share = Math.min(1, done / total)
  const full = Math.round(share * width)
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}] ${Math.floor(share * 100)} % ${label}`
}
