// A query of records as a person asks it, and as the executor answers it, page by page.
import { hexToBytes, ok, recordKind, refused } from '../../runtime/protocol/index.js'
import type { Outcome, RecordQuery } from '../api/node-port.js'
import type { PageQuery, PageReply } from '../executor/messages.js'

/** REQUEST_MALFORMED names the field. */
export function pageQueryOf(query: RecordQuery): Outcome<PageQuery> {
  const patient = query.patient === undefined ? null : (hexToBytes(query.patient) ?? undefined)
  if (patient !== null && patient?.length !== 16) return refused('REQUEST_MALFORMED', 'patient')
  const author = query.author === undefined ? null : (hexToBytes(query.author) ?? undefined)
  if (author !== null && author?.length !== 32) return refused('REQUEST_MALFORMED', 'author')
  const by = query.by ?? (patient === null ? 'arrival' : 'effective')
  if (patient === null && by === 'effective')
    return refused('REQUEST_MALFORMED', 'by: effective needs a patient')
  const after = query.after === undefined ? null : placeOf(query.after)
  if (after === undefined) return refused('REQUEST_MALFORMED', 'after')
  return ok({
    patient,
    kind: recordKind[query.kind],
    code: query.code ?? '',
    by,
    from: query.from ?? 0,
    to: query.to ?? Number.MAX_SAFE_INTEGER,
    author,
    newest: query.order === 'newest',
    limit: query.limit,
    height: after?.height ?? query.pinned ?? null,
    after: after === null ? null : { order: after.order, sequence: after.sequence },
  })
}

/** `height.order.sequence`: the pages that follow are of the first one's height. */
function placeOf(text: string): { height: number; order: bigint; sequence: number } | undefined {
  const match = /^(\d{1,16})\.(\d{1,20})\.(\d{1,10})$/.exec(text)
  if (match === null) return undefined
  const [height, order, sequence] = [Number(match[1]), BigInt(match[2]), Number(match[3])]
  const fits = Number.isSafeInteger(height) && order < 2n ** 64n && sequence < 2 ** 32
  return fits ? { height, order, sequence } : undefined
}

export const nextOf = ({ pin, next }: PageReply): string | null =>
  next === null ? null : `${pin.height}.${next.order}.${next.sequence}`
