// Layouts of record bodies and of what the kernel hands to contracts. Borsh; each body starts with a u16
// schema version.
import type { Schema } from './borsh.js'
import { keySignatures, signedCardFields, validatorChangeFields } from './membership.js'
import { laneTableSchema } from './lanes.js'
import { recordKind } from './record.js'

/** Version in front of every body written today. */
export const bodySchemaVersion = 1

const fixed32: Schema = { fixed: 32 }
const patient: Schema = { fixed: 16 }

/** Pregnancy: 0 unknown, 1 no, 2 yes. `birthDate` is yyyymmdd, 0 unknown. */
export const admissionBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ['family', 'string'],
    ['given', 'string'],
    ['birthDate', 'u32'],
    ['sex', 'string'],
    ['pregnancy', 'u8'],
    [
      'identifiers',
      {
        vec: {
          struct: [
            ['value', 'string'],
            ['authority', 'string'],
            ['type', 'string'],
          ],
        },
      },
    ],
    ['ward', 'string'],
    ['room', 'string'],
    ['bed', 'string'],
    ['visitNumber', 'string'],
    ['reason', 'string'],
  ],
}

/**
 * Value = value × 10^-scale in `unit` (UCUM); coded observations use `text` with scale 0 and value 0.
 * `status` is OBX-11 (`F`, `C`, `P`...); `validation` 0 device, unvalidated; 1 validated by a person; 2
 * entered by hand.
 */
export const observationBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ['value', 'i64'],
    ['scale', 'u8'],
    ['unit', 'string'],
    ['text', 'string'],
    ['status', 'string'],
    ['validation', 'u8'],
    ['sourceText', 'string'],
    ['device', 'string'],
  ],
}

/** A coded clinical finding, e.g. header code `wound-assessment`, concepts `redness`, `purulent-drainage`. */
export const findingBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ['concepts', { vec: 'string' }],
    ['site', 'string'],
    ['text', 'string'],
  ],
}

/** One line of an alert's basis: what was read, what it scored, against which threshold. */
export const alertInput: Schema = {
  struct: [
    ['code', 'string'],
    ['label', 'string'],
    ['value', 'i64'],
    ['scale', 'u8'],
    ['unit', 'string'],
    ['text', 'string'],
    ['effectiveTime', 'u64'],
    ['record', fixed32],
    ['points', 'i32'],
    ['threshold', 'string'],
    ['validation', 'u8'],
  ],
}

const alertDraftFields: [string, Schema][] = [
  /** One open alert per (patient, rule, branch). */
  ['branch', 'string'],
  /** 1 info, 2 urgent, 3 critical. */
  ['severity', 'u8'],
  /** At most 140 characters, one sentence a nurse can act on. */
  ['summary', 'string'],
  ['inputs', { vec: alertInput }],
  /** Conditions that held, one line each. */
  ['basis', { vec: 'string' }],
  /** Parameters that were not available: incomplete, never 0. */
  ['missing', { vec: 'string' }],
  /** What would change the result. */
  ['wouldChange', { vec: 'string' }],
  ['citation', 'string'],
]

/** What a rule hands to `alert_raise`. */
export const alertDraft: Schema = { struct: [['patient', patient], ...alertDraftFields] }

/** Who raised it, filled in by the kernel, never by the rule. */
const ruleIdentity: [string, Schema][] = [
  ['rule', 'string'],
  ['ruleVersion', 'string'],
  ['ruleAddress', fixed32],
]

/** Input of `ward/alerts` `raise`: the kernel puts the rule's identity in front of the draft. */
export const alertRaiseInput: Schema = {
  struct: [...ruleIdentity, ['patient', patient], ...alertDraftFields],
}

export const alertBody: Schema = { struct: [['schema', 'u16'], ...ruleIdentity, ...alertDraftFields] }

/**
 * `response`: acknowledged, acted, will-review, not-applicable, disagree, retracted. The alert is in
 * `supersedes`.
 */
export const alertResponseBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ['response', 'string'],
    ['reason', 'string'],
  ],
}

/**
 * One proposed order. `category`: laboratory, fluid, medication, monitoring, suggestion. The alert is in
 * `alert`.
 */
export const orderBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ...ruleIdentity,
    ['alert', { option: fixed32 }],
    ['orderSet', 'string'],
    ['item', 'string'],
    ['display', 'string'],
    ['category', 'string'],
    ['position', 'u8'],
    ['detail', 'string'],
    /** What must be known before it can be carried out, e.g. `weight`. */
    ['needs', { vec: 'string' }],
  ],
}

/**
 * `status`: signed, declined, sent, accepted, ... The order is in `supersedes`. `meaning` is the
 * signer's: "I order".
 */
export const orderEventBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ['status', 'string'],
    ['meaning', 'string'],
    ['reason', 'string'],
  ],
}

/**
 * One entry of `explain`: a factor that a rule looked at with its points, or the outcome in words.
 * Outside the hash.
 */
export const explanationEntry: Schema = {
  struct: [
    ['factor', 'string'],
    ['value', 'i64'],
    ['scale', 'u8'],
    ['unit', 'string'],
    ['points', 'i32'],
    ['text', 'string'],
  ],
}

/** The original bytes of a message, as received. */
export const sourceMessageBody: Schema = {
  struct: [
    ['schema', 'u16'],
    ['contentType', 'string'],
    ['content', 'bytes'],
  ],
}

export const recordBodySchemas: ReadonlyMap<number, Schema> = new Map([
  [recordKind.admission, admissionBody],
  [recordKind.observation, observationBody],
  [recordKind.finding, findingBody],
  [recordKind.alert, alertBody],
  [recordKind.alertResponse, alertResponseBody],
  [recordKind.order, orderBody],
  [recordKind.orderEvent, orderEventBody],
  [recordKind.sourceMessage, sourceMessageBody],
])

/** A ledger record as contracts and queries see it. `number` counts 1..n per patient. */
export const recordView: Schema = {
  struct: [
    ['id', fixed32],
    ['kind', 'u8'],
    ['patient', patient],
    ['code', 'string'],
    ['effectiveTime', 'u64'],
    ['arrivalHeight', 'u64'],
    ['arrivalTime', 'u64'],
    ['number', 'u32'],
    ['author', fixed32],
    ['supersedes', { option: fixed32 }],
    ['body', 'bytes'],
  ],
}

/** Input of a method that a record triggers: all matching records of one transaction for one patient. */
export const triggerInput: Schema = {
  struct: [
    ['patient', patient],
    ['transaction', fixed32],
    ['records', { vec: recordView }],
  ],
}

/** Argument of `record_emit`. */
export const emittedRecord: Schema = {
  struct: [
    ['kind', 'u8'],
    ['patient', patient],
    ['code', 'string'],
    ['effectiveTime', 'u64'],
    ['supersedes', { option: fixed32 }],
    ['body', 'bytes'],
  ],
}

/** Question and answer of `ward/policy` `mayAppend`. `missing` names in words what would be needed. */
export const mayAppendInput: Schema = {
  struct: [
    ['author', fixed32],
    ['patient', patient],
    ['kind', 'u8'],
    ['code', 'string'],
  ],
}
/** `ward/policy` `mayRead`: may this reader see records of this kind of this patient? */
export const mayReadInput: Schema = {
  struct: [
    ['reader', fixed32],
    ['patient', patient],
    ['kind', 'u8'],
  ],
}
/** `ward/policy` `mayCall`: asked by contracts about their callers. */
export const mayCallInput: Schema = {
  struct: [
    ['caller', fixed32],
    ['target', 'string'],
    ['method', 'string'],
  ],
}
export const policyAnswer: Schema = {
  struct: [
    ['allowed', 'bool'],
    /** The grant that allows it; zero when refused. */
    ['grant', { fixed: 16 }],
    /** 0: no end. */
    ['validUntil', 'u64'],
    ['missing', 'string'],
  ],
}

/** Commands of `kernel_command`: u8 tag, then fields. Encoded as {tag, body} with the body's own schema. */
export const kernelCommandTag = {
  deploy: 1,
  activate: 2,
  addEntity: 3,
  addKey: 4,
  revokeKey: 5,
  setValidators: 6,
  liftQuarantine: 7,
  erasePatient: 8,
  admitNode: 50,
  removeNode: 51,
  rotateNode: 52,
  changeValidator: 53,
  issueTicket: 54,
  revokeTicket: 55,
  redeemTicket: 56,
  approve: 9,
  withdrawApproval: 10,
  checkActivation: 11,
  grantCredit: 20,
  setLanes: 21,
  setFuelSchedule: 22,
} as const
export const kernelCommandSchemas: ReadonlyMap<number, Schema> = new Map<number, Schema>([
  [kernelCommandTag.liftQuarantine, { struct: [['alias', 'string']] }],
  [kernelCommandTag.erasePatient, { struct: [['patient', patient]] }],
  [kernelCommandTag.approve, { struct: [['address', fixed32]] }],
  [kernelCommandTag.withdrawApproval, { struct: [['address', fixed32]] }],
  /** Would `activate` be accepted now? Switches nothing; asked when an activation is scheduled. */
  [kernelCommandTag.checkActivation, { struct: [['addresses', { vec: fixed32 }]] }],
  [
    kernelCommandTag.grantCredit,
    {
      struct: [
        ['entity', fixed32],
        ['burst', 'u64'],
        ['perSecond', 'u64'],
        ['priority', 'u8'],
      ],
    },
  ],
  [kernelCommandTag.setLanes, laneTableSchema],
  [
    kernelCommandTag.setFuelSchedule,
    {
      struct: [
        ['fuelSchedule', 'u16'],
        ['instrumenter', 'u16'],
        /** The first block that runs under them. */
        ['height', 'u64'],
      ],
    },
  ],
  [
    kernelCommandTag.deploy,
    {
      struct: [
        ['vendor', fixed32],
        ['manifest', fixed32],
        ['code', fixed32],
      ],
    },
  ],
  [kernelCommandTag.activate, { struct: [['addresses', { vec: fixed32 }]] }],
  [
    kernelCommandTag.addEntity,
    {
      struct: [
        ['entity', fixed32],
        ['kind', 'u8'],
        ['publicKey', fixed32],
      ],
    },
  ],
  [
    kernelCommandTag.addKey,
    {
      struct: [
        ['entity', fixed32],
        ['publicKey', fixed32],
      ],
    },
  ],
  [kernelCommandTag.revokeKey, { struct: [['keyId', { fixed: 16 }]] }],
  [
    kernelCommandTag.setValidators,
    {
      struct: [
        [
          'validators',
          {
            vec: {
              struct: [
                ['entity', fixed32],
                ['voteKey', fixed32],
              ],
            },
          },
        ],
        /** Of institution keys, over `forceValidatorsBytes`; empty on a chain that has none. */
        ['signatures', keySignatures],
      ],
    },
  ],
  [kernelCommandTag.admitNode, { struct: signedCardFields }],
  [kernelCommandTag.removeNode, { struct: [['entity', fixed32]] }],
  [
    kernelCommandTag.rotateNode,
    {
      struct: [
        ['entity', fixed32],
        ['transportKey', fixed32],
        ['host', 'string'],
        ['port', 'u16'],
      ],
    },
  ],
  [kernelCommandTag.changeValidator, { struct: validatorChangeFields }],
  [
    kernelCommandTag.issueTicket,
    {
      struct: [
        /** The ticket's own key: it signs the admission that it pays for. */
        ['publicKey', fixed32],
        ['role', 'u8'],
        ['uses', 'u16'],
        ['expires', 'u64'],
        /** A node that is removed in the same moment: its machine was made anew. */
        ['replaces', { option: fixed32 }],
      ],
    },
  ],
  [kernelCommandTag.revokeTicket, { struct: [['ticket', fixed32]] }],
  [kernelCommandTag.redeemTicket, { struct: signedCardFields }],
])
