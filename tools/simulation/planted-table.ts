// The table of planted bugs in consensus/README.md: what each breaks, and the seed that finds it.

export interface Row {
  readonly name: string
  readonly breaks: string
  readonly seed: string
}

/** Rows of the table: name, what it does, what it breaks, first seed that finds it. */
export function rowsOf(readme: string): Row[] {
  const cells = /^\| `([a-z-]+)` +\|[^|]+\| (\S+) +\| (\S+) +\|$/gm
  return [...readme.matchAll(cells)].map(([, name, breaks, seed]) => ({ name, breaks, seed }))
}
