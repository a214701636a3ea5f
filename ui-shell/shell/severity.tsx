// Severity by number, word and shape; colour only repeats it.
export const severityWords = ['none', 'Info', 'Urgent', 'Critical'] as const
const severityShapes = ['', '●', '▲', '◆'] as const

export function Severity({ severity }: { severity: number }) {
  const level = Math.min(3, Math.max(0, severity))
  if (level === 0) return null
  return (
    <span class={`severity severity-${level}`}>
      <span aria-hidden="true">{severityShapes[level]}</span> {severityWords[level]}
    </span>
  )
}
