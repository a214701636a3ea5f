// What a vendor imports.
export { aliasEntity, bytesEqual, concat, entityOf, isZero, sha256, slice, utf8, verifySignature, Bytes } from './bytes'
export { Reader, Writer } from './borsh'
export * from './codes'
export { refuse } from './env'
export { answer, Context, emitEvent, fuelLeft, input, log, Trigger } from './context'
export { LayeredTable, LayeredValue, SlicedCopy } from './migration'
export { OrderedRow, OrderedTable, Table } from './table'
export {
  BODY_SCHEMA,
  ClinicalRecord,
  Finding,
  Observation,
  RecordKind,
  Records,
  RecordTrigger,
} from './records'
export { ask, call, CallResult, cancelTimer, requireGrant, setTimer, tryCall, tryCallVersion } from './calls'
export { Alert, AlertInput, AlertOutcome, AlertReceipt, Severity } from './alerts'
export { Decimal } from './decimal'
export { ageInYears, dateOf, HOUR, MINUTE } from './calendar'
export { Explanation } from './explanation'
