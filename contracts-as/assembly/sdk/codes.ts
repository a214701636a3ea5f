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
/** Noted for this administrator before: another one has to say the same. */
export const SECOND_ADMIN_REQUIRED: i32 = 1004
/** Role admin, and whatever counts as one of two administrators, is for persons. */
export const PERSON_REQUIRED: i32 = 1005
/** An administrator was removed in the last seven days: till then two administrators make another. */
export const OWN_WORD_TOO_EARLY: i32 = 1006
