// Numbers that contracts refuse with. Below 1000: the protocol's own meaning
// (runtime/protocol/error-codes.ts).

export const CALL_NOT_GRANTED: i32 = 101
export const RECORD_UNKNOWN: i32 = 104
export const METHOD_UNKNOWN: i32 = 106
export const ARGUMENT_INVALID: i32 = 116
export const LIMIT_EXCEEDED: i32 = 118
export const ENTITY_UNKNOWN: i32 = 128

/** The same thing is already there or already decided; nothing changed. */
export const ALREADY_DONE: i32 = 1000
/** The last administrator cannot be removed: nobody could grant anything afterwards. */
export const LAST_ADMIN: i32 = 1001
/** No grant has this id. */
export const GRANT_UNKNOWN: i32 = 1002
/** A reason is needed for this response. */
export const REASON_NEEDED: i32 = 1003
