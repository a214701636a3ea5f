// How long tests wait, and what they say meanwhile: one that hangs names what it hangs on.

/** For what must come; a machine that runs tests may be ten times slower than a quiet one. */
export const patienceMs = 180_000
const tellEveryMs = 60_000

/** The work's own outcome. While it takes very long, standard error tells what is waited for. */
export async function during<T>(what: string, work: Promise<T>): Promise<T> {
  const begun = Date.now()
  const tell = (): void =>
    void process.stderr.write(`waiting for ${Math.round((Date.now() - begun) / 1_000)} s: ${what}\n`)
  const timer = setInterval(tell, tellEveryMs)
  timer.unref()
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}

export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = patienceMs,
): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await during(what, Promise.resolve(holds())))) {
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
