// JSON Schemas of what clients send. Unknown fields are refused: a typo must not be read as "the default".
import {
  attachmentBytesMax,
  attachmentsPerTransactionMax,
  bundleBytesMax,
} from '../../runtime/protocol/index.js'
import { aliasLengthMax, methodLengthMax, recordCodeLengthMax } from '../../runtime/protocol/limits.js'
import { recordsPerTransactionMax } from '../../runtime/protocol/limits.js'
import { recordKindNames } from './views.js'

/** Passwords: NIST allows 64 and more; a bound keeps argon2id's input small. */
export const passwordBytesMax = 1_024
/** A proposal with all its attachments as base64. */
export const proposalBytesMax =
  Math.ceil((attachmentsPerTransactionMax * attachmentBytesMax * 4) / 3) + 262_144
export const bundleRequestBytesMax = bundleBytesMax
export const recordLimitMax = 500

const hex = (byteCount: number) => ({ type: 'string', pattern: `^[0-9a-f]{${byteCount * 2}}$` })
const patient = hex(16)
const id = hex(32)
const alias = {
  type: 'string',
  pattern: '^([a-z0-9-]+/[a-z0-9-]+|[0-9a-f]{64})$',
  maxLength: aliasLengthMax,
}
const kind = { type: 'string', enum: [...recordKindNames] }
const code = { type: 'string', maxLength: recordCodeLengthMax, pattern: '^[\\x20-\\x7e]*$' }
const application = { type: 'string', pattern: '^[a-z0-9-]+(/[a-z0-9-]+)?$', maxLength: aliasLengthMax }
const decimal = { type: 'string', pattern: '^[0-9]{1,16}$' }

const object = (properties: Record<string, unknown>, required: string[] = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const proposedRecord = object(
  {
    kind,
    patient,
    code,
    effectiveTime: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    body: { type: 'object' },
    supersedes: id,
  },
  ['kind', 'patient', 'code', 'body'],
)

export const releaseSchema = object(
  {
    which: { type: 'string', enum: ['all', 'others', 'named'] },
    ids: { type: 'array', items: id, maxItems: 1_000 },
    reason: { type: 'string', minLength: 1, maxLength: 200 },
  },
  ['which', 'reason'],
)
export const readinessSchema = object(
  { action: { enum: ['add', 'replace', 'rotate'] }, entity: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
  ['action'],
)

export const proposalSchema = {
  oneOf: [
    object({
      type: { const: 'append' },
      records: { type: 'array', items: proposedRecord, minItems: 1, maxItems: recordsPerTransactionMax },
    }),
    object(
      {
        type: { const: 'call' },
        target: alias,
        method: { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_]*$', maxLength: methodLengthMax },
        args: {},
        attachments: {
          type: 'array',
          items: { type: 'string', maxLength: Math.ceil(attachmentBytesMax / 3) * 4 },
          maxItems: attachmentsPerTransactionMax,
        },
      },
      ['type', 'target', 'method', 'args'],
    ),
  ],
}

export const readQuerySchema = object({ patient, application }, [])

export const recordQuerySchema = object(
  {
    patient,
    kind,
    code,
    from: decimal,
    to: decimal,
    limit: { type: 'string', pattern: '^[0-9]{1,3}$' },
    order: { type: 'string', enum: ['newest', 'oldest'] },
    author: id,
    by: { type: 'string', enum: ['effective', 'arrival'] },
    pinned: decimal,
    after: { type: 'string', pattern: '^[0-9]{1,16}[.][0-9]{1,20}[.][0-9]{1,10}$' },
    application,
  },
  ['kind'],
)

export const viewSchema = object({
  target: {
    type: 'string',
    pattern: '^([a-z0-9-]+/[a-z0-9-]+(@[\\x21-\\x7e]{1,64})?|[0-9a-f]{64})$',
    maxLength: aliasLengthMax + 65,
  },
  method: { type: 'string', pattern: '^[A-Za-z][A-Za-z0-9_]*$', maxLength: methodLengthMax },
  args: {},
})
export const pageQuerySchema = object({ alias })
export const versionsQuerySchema = object({ alias }, [])
export const proofQuerySchema = object({
  about: { type: 'string', enum: ['record', 'patient', 'alias', 'grant'] },
  name: { type: 'string', minLength: 1, maxLength: 64 },
})
export const personParams = object({ person: hex(32) })
export const preparedParams = object({ prepared: { type: 'string', pattern: '^[0-9A-Za-z_-]{1,128}$' } })
export const transactionParams = object({ id })
export const documentParams = object({ hash: id })
