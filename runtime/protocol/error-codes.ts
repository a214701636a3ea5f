// Every code that a person, a peer or a receipt can see: its number (never renamed, never reused), what
// it means and what to do. Receipts hold the number; screens and tools show the sentence and the code.

export interface ErrorEntry {
  number: number
  /** What happened, what was not lost, what to do next. */
  sentence: string
}

const entry = (number: number, sentence: string): ErrorEntry => ({ number, sentence })

export const errorTable = {
  OK: entry(0, 'Done.'),

  // 1..99: the transaction never enters a block.
  TRANSACTION_MALFORMED: entry(
    1,
    'These bytes are not a signed transaction. Nothing was stored. Encode it again by runtime/protocol/README.md.',
  ),
  TRANSACTION_TOO_LARGE: entry(
    2,
    'The transaction is larger than the protocol allows. Nothing was stored. Send fewer records at once.',
  ),
  BUNDLE_MALFORMED: entry(
    3,
    'The transaction and its bodies are not packed as a bundle. Nothing was stored. Pack them again and resend.',
  ),
  BODY_MISMATCH: entry(
    4,
    'A record body is missing or is not the one that was signed. Nothing was stored. Send the signed body beside the transaction.',
  ),
  ATTACHMENT_MISMATCH: entry(
    5,
    'An attachment is missing or is not the one that was signed. Nothing was stored. Send the signed attachment.',
  ),
  WRONG_CHAIN: entry(
    6,
    'The transaction is signed for another hospital chain. Nothing was stored. Sign it for this chain.',
  ),
  KEY_UNKNOWN: entry(
    7,
    'The signing key is not known on this chain. Nothing was stored. Ask an administrator to enrol it.',
  ),
  KEY_REVOKED: entry(8, 'The signing key was revoked. Nothing was stored. Sign with a current key.'),
  SENDER_MISMATCH: entry(
    9,
    'The key belongs to another sender than the transaction names. Nothing was stored. Check the sender.',
  ),
  SIGNATURE_INVALID: entry(
    10,
    'The signature does not fit the transaction: it was altered or signed with another key. Nothing was stored. Sign it again.',
  ),
  SEQUENCE_REUSED: entry(
    11,
    'This sequence number was already used with this key. The first transaction stands. Use the next sequence.',
  ),
  SEQUENCE_TOO_OLD: entry(
    12,
    'This sequence number is older than the replay window. Nothing was stored. Use the next sequence.',
  ),
  SEQUENCE_JUMP: entry(
    13,
    'The sequence number jumps further than allowed. Nothing was stored. Continue from the last used number.',
  ),
  EXPIRED: entry(
    14,
    'The transaction was valid only until an earlier block time. Nothing was stored. Sign it again.',
  ),
  VALID_TOO_LONG: entry(
    15,
    'The transaction asks to stay valid for longer than a day. Nothing was stored. Shorten its validity.',
  ),
  VALID_UNTIL_MISSING: entry(
    16,
    'Only devices may sign without an end of validity. Nothing was stored. Sign it again with one.',
  ),
  FUEL_LIMIT_TOO_HIGH: entry(
    17,
    'The fuel limit is above the protocol maximum. Nothing was stored. Lower the limit.',
  ),
  POOL_FULL: entry(
    18,
    'This node holds as many waiting transactions as it may. Nothing was lost at your side; try again in a moment.',
  ),
  NODE_SEALED: entry(19, 'This computer is sealed. Nothing was stored. Unlock it with the store password.'),
  NOT_FINAL_IN_TIME: entry(
    20,
    'The network has not agreed yet. The transaction waits and may still become final; ask for its status before you send it again.',
  ),
  TRANSACTION_UNKNOWN: entry(
    21,
    'No transaction with this id is known here. It may not have arrived yet, or it was refused. Check the id and ask again.',
  ),
  PATIENT_ERASED: entry(
    22,
    'A patient that the transaction names was erased, so no record about them is taken any more. Nothing was stored. If this is a new stay, admit the person as a new patient.',
  ),

  CREDIT_EXHAUSTED: entry(
    70,
    'The sender has used up its credit for now. Nothing was stored. Send it again after the time that the detail names; an administrator can grant more credit.',
  ),
  CREDIT_TOO_SMALL: entry(
    71,
    'The transaction costs more than the whole credit of its sender. Nothing was stored. Lower its fuel limit or size, or ask an administrator for more credit.',
  ),

  // 100..199: a failed receipt; the transaction is in a block and did nothing else.
  APPEND_NOT_GRANTED: entry(
    100,
    'The author has no grant to append this record. Nothing was recorded. The receipt names what is missing; ask an administrator for that grant.',
  ),
  CALL_NOT_GRANTED: entry(
    101,
    'The caller has no grant for this method. Nothing was changed. The receipt names what is missing.',
  ),
  PATIENT_UNKNOWN: entry(
    102,
    'No admission record exists for this patient. Nothing was recorded. Admit the patient first.',
  ),
  PATIENT_EXISTS: entry(
    103,
    'This patient subject already has an admission. Nothing was recorded. Link or transfer instead.',
  ),
  RECORD_UNKNOWN: entry(
    104,
    'The record that is named does not exist. Nothing was recorded. Check its id.',
  ),
  CONTRACT_UNKNOWN: entry(
    105,
    'No contract has this alias or address. Nothing was changed. Check the name.',
  ),
  METHOD_UNKNOWN: entry(
    106,
    'The contract has no such method for this use. Nothing was changed. Check its manifest.',
  ),
  OUT_OF_FUEL: entry(
    107,
    'The work needed more fuel than its limit. It was rolled back; what triggered it stands. Raise the limit or mend the contract.',
  ),
  STACK_EXHAUSTED: entry(
    108,
    'The contract nested its calls too deeply. It was rolled back; what triggered it stands. The vendor must mend it.',
  ),
  TRAPPED: entry(
    109,
    'The contract failed. It was rolled back; what triggered it stands. The vendor must mend it.',
  ),
  CONTRACT_ABORTED: entry(110, 'The contract refused. It was rolled back; the detail holds its own code.'),
  DEPTH_EXCEEDED: entry(111, 'Contracts called each other more than eight deep. The call was rolled back.'),
  FRAMES_EXCEEDED: entry(112, 'One transaction opened more than 64 contract frames. It was rolled back.'),
  REENTRANCY_DENIED: entry(
    113,
    'A contract was called while it was already running. The call was refused.',
  ),
  READ_ONLY: entry(114, 'A read-only call tried to write. It was rolled back.'),
  NOT_IN_MANIFEST: entry(
    115,
    'The contract tried to read, emit or call what its approved manifest does not name. It was rolled back.',
  ),
  ARGUMENT_INVALID: entry(
    116,
    'An argument is outside what the method or host function accepts. It was rolled back.',
  ),
  MEMORY_OUT_OF_BOUNDS: entry(
    117,
    'The contract handed the host an address outside its memory. It was rolled back.',
  ),
  LIMIT_EXCEEDED: entry(118, 'The contract exceeded a limit of the runtime. It was rolled back.'),
  COMMAND_NOT_ALLOWED: entry(119, 'Only governance commands the kernel. Nothing was changed.'),
  MODULE_REFUSED: entry(
    120,
    'The module is not acceptable. Nothing was deployed. The detail names the offending byte and what to use instead.',
  ),
  MANIFEST_REFUSED: entry(
    121,
    'The manifest is not acceptable. Nothing was deployed. The detail names the problem, its byte in the manifest and the field.',
  ),
  ADDRESS_EXISTS: entry(
    122,
    'This very version is already deployed. Nothing was changed; use its address.',
  ),
  POLICY_FAILED: entry(
    123,
    'The policy contract itself failed, so nothing may be appended. Institution keys can replace it.',
  ),
  BUDGET_EXHAUSTED: entry(
    124,
    'The budget of this rule for this source is used up. The reading stands; the rule runs again when the budget has grown.',
  ),
  GENERATION_EXCEEDED: entry(
    125,
    'Rules triggered each other too many times. The records stand; this rule was not run again.',
  ),
  ERASED: entry(
    126,
    'This record was erased. Its header and proof remain; its content is gone everywhere.',
  ),
  ENTITY_EXISTS: entry(127, 'This identity already exists. Nothing was changed.'),
  ENTITY_UNKNOWN: entry(128, 'No such identity. Nothing was changed.'),
  VALIDATORS_REFUSED: entry(129, 'This change of validators is not acceptable. The set stays as it is.'),
  EMPTY_RETURN: entry(130, 'The contract gave no answer where one is required.'),

  RULE_QUARANTINED: entry(
    131,
    'This rule failed for several sources and patients and is quarantined. The reading stands; the rule was not run. Governance can lift the quarantine.',
  ),
  TABLE_FROZEN: entry(
    132,
    'The contract tried to write a table that belongs to another layout of its store. It was rolled back; write a new table and migrate.',
  ),
  LAYOUT_REFUSED: entry(
    133,
    'The version that should become active has an older layout than the active one. Nothing was switched; ship a forward migration.',
  ),
  NODE_REFUSED: entry(
    150,
    'This change of the list of nodes is not acceptable. The list stays as it is. The detail says why.',
  ),
  TICKET_REFUSED: entry(
    151,
    'This ticket is unknown, withdrawn, expired or used up. No node was admitted. Ask an administrator for a new ticket.',
  ),
  PROOF_INVALID: entry(
    152,
    'The new key did not sign its own card or readiness. Nothing was changed. Make the request again on the node that holds the key.',
  ),
  CHANGE_IN_FLIGHT: entry(
    153,
    'Another change of validators has not taken effect yet. The set stays as it is. Try again after the next block.',
  ),
  QUORUM_AT_RISK: entry(
    154,
    'With this change too few validators would be reachable to agree on anything. The set stays as it is. Bring the missing nodes back first, add a spare one, or force the set with institution keys (`ward network validator force`).',
  ),
  NOT_AT_TIP: entry(
    155,
    'The new validator is not at the newest block. The set stays as it is. Let it catch up, then ask again.',
  ),
  RESULT_DIFFERS: entry(
    285,
    'The new validator computed another result for a block than the validators did. The set stays as it is. Do not let it vote: `ward doctor` compares its store, or found it anew with `ward join`.',
  ),
  INSTITUTION_KEYS_NEEDED: entry(
    156,
    'Too few institution keys signed this. Nothing was changed. Collect the signatures that the genesis document asks for.',
  ),

  NOT_APPROVED: entry(
    140,
    'This version has no approval of the hospital. Nothing was switched; the active versions go on. A person with that grant approves it, then activate again.',
  ),
  APPROVAL_REFUSED: entry(
    141,
    'Two persons are needed: a version is approved by a person of the hospital who is not its vendor. Nothing was approved; ask another person with that grant.',
  ),
  VENDOR_REQUIRED: entry(
    142,
    'Only an identity that is enrolled as a vendor deploys, under its own signature. Nothing was deployed. Ask an administrator to enrol the vendor key.',
  ),
  ALIAS_TAKEN: entry(
    143,
    'The active version of this alias is of another vendor. Nothing was deployed or switched. Use an alias of your own.',
  ),
  ACTIVATION_PENDING: entry(
    145,
    'A version of this alias is already being activated in this block. Nothing of this command was switched. Ask again in the next block.',
  ),
  MIGRATION_TOO_LONG: entry(
    146,
    'The migrations of this planned activation may need more fuel than the timer that would run it has. Nothing was planned. Activate at once, or plan fewer versions.',
  ),
  TIMERS_PENDING: entry(
    144,
    'Timers of this alias wait for a method that the new version does not have. Nothing was switched. Ship the method, or activate when the timers have run.',
  ),

  SCHEDULE_REFUSED: entry(
    160,
    'The chain cannot switch to this fuel schedule and instrumenter: they are not newer than those in force, this software does not know them, or the height is not ahead. Prices stay as they are. Update the nodes first, then name a later height.',
  ),

  LAYOUT_SUPERSEDED: entry(
    161,
    'This rule was to run for a reading that waited, but a version with another layout was activated meanwhile and has no such method for it. The reading stands; this run did not take place. Ask the vendor for a version that listens to it.',
  ),
  TABLES_REFUSED: entry(
    162,
    'The tables that this version declares do not fit those of its alias: one belongs to a version that still answers from it, or is bound to patients. Nothing was deployed or switched. Use new table numbers for a new layout; the detail names the table and the version.',
  ),

  // 200..299: the local node and its screens.
  KEYSLOT_REJECTED: entry(
    200,
    'The store password is wrong. Nothing was changed. Try again; each failure makes the wait longer.',
  ),
  SIGN_IN_REJECTED: entry(201, 'The person or the password is wrong. Nothing was changed. Try again.'),
  SESSION_REQUIRED: entry(
    202,
    'Nobody is signed in. Nothing was changed. Sign in with the second password.',
  ),
  READ_NOT_GRANTED: entry(
    203,
    'This person has no grant to read this. Nothing was shown. The answer names what is missing.',
  ),
  REQUEST_MALFORMED: entry(
    204,
    'The request is not as the API describes. Nothing was changed. See host/api/README.md.',
  ),
  NOT_FOUND: entry(205, 'There is nothing with this name here.'),
  ORIGIN_REFUSED: entry(206, 'The request came from another page or host. Nothing was changed.'),
  INTERNAL: entry(207, 'This node made a mistake. Nothing was half written. The log names the place.'),
  READ_FAILED: entry(
    209,
    'This node could not read what was asked. Blocks go on, nothing was changed and nothing is lost. Ask again; if it repeats, check this computer with `ward doctor` and read on another one.',
  ),
  READ_TOO_LONG: entry(
    210,
    'This reading took too long and was ended, so that the store can go on. Nothing was changed. Ask for less: fewer records, a shorter time.',
  ),
  SHARES_SET_ASIDE: entry(
    211,
    'The file of key shares that this node keeps for other nodes is damaged and was set aside. The chain and this node are whole; those nodes may not come back by themselves after a loss of power, and releases that were not on the chain yet are not told. Deal anew on each of them (`ward keyslot peers`), check the disk, then remove the file.',
  ),
  PEERS_TOO_FEW: entry(
    260,
    'Too few validators are connected to keep the key shares of this computer. Nothing was changed. Try again when more of them run.',
  ),
  UNLOCK_KEYSLOTS: entry(
    352,
    'The keyslot file of this node is missing or damaged, so no password can open it. Nothing was changed. Put back a copy of the file `keyslots`; if there is none, this copy of the chain is lost and the others are not: wipe this node and join anew.',
  ),
  UNLOCK_FOREIGN_STORE: entry(
    353,
    'A file in the folder of this node is of another store, or is none of ours. Nothing was changed and nothing is lost. Put back the file that the detail names, or start the node with its own folder.',
  ),
  UNLOCK_NEWER_STORE: entry(
    354,
    'This store was written by a newer version of the software. Nothing was changed and nothing is lost. Start the newer version.',
  ),
  UNLOCK_DAMAGED_STORE: entry(
    355,
    'The password is right, but something in this store was altered or damaged. The node is sealed again and shows nothing of it. Keep the folder, check it with `ward doctor`, then restore a backup, or wipe this node and join anew from the others.',
  ),
  UNLOCK_STORE_IN_USE: entry(
    356,
    'The password is right, but another process holds this store. Nothing was changed. End it, then unlock again.',
  ),
  UNLOCK_DISK: entry(
    357,
    'The password is right, but the disk is full or cannot be written. The node is sealed again and nothing was lost. Free space, or mend what the detail names, then unlock again.',
  ),
  UNLOCK_UNDER_WAY: entry(
    358,
    'This node is being unlocked already; this password was not looked at. Nothing was changed. Wait until it is open or asks again.',
  ),
  UNLOCK_FAILED: entry(
    208,
    'The password is right, but this node could not start. It is sealed again and nothing was lost. Mend what the detail names, then unlock again.',
  ),
  REPLAY_UNAVAILABLE: entry(
    280,
    'This node no longer has what it takes to run this transaction again: its block is too old, or older than an erasure or this copy of the chain. The receipt stands. Ask a node that has kept more.',
  ),
  REPLAY_DIFFERS: entry(
    281,
    'Run again, this transaction gives something else than its certified receipt. The certified receipt stands. Stop trusting this node, keep its store, and compare with another node.',
  ),
  PROOF_UNAVAILABLE: entry(
    283,
    'This node has no certified block to prove this against, for its chain has only been founded. Nothing is wrong. Ask again after the first block.',
  ),
  PROOF_REFUSED: entry(
    284,
    'This proof does not hold: what it claims is not shown to be in a certified state of this chain. Nothing was changed. Trust nothing in it, and ask for a new one.',
  ),
  REPLAY_BUSY: entry(
    282,
    'This node is running other transactions again. Nothing was changed. Ask again in a moment.',
  ),
  VIEW_BUSY: entry(
    391,
    'This node answers one view at a time, and blocks go first. Nothing was changed. Ask again in a moment.',
  ),
  SECOND_PERSON_REQUIRED: entry(
    230,
    'A key that signs for a person or a vendor is enrolled by two administrators, each under an own signature. Nothing was enrolled; the first request stands for seven days. Ask another administrator to enrol the same key.',
  ),
  PASSWORD_TOO_SHORT: entry(
    231,
    'The new password is shorter than eight characters. Nothing was changed, the old one goes on to work. Choose a longer one.',
  ),
  QUORUM_LOST: entry(
    250,
    'Too few validators are reachable to agree on anything. What is final stays final and can be read; nothing new becomes final and nothing is lost. Bring validators back; if they are lost for good, the institution keys recover the network: `ward network recover`.',
  ),
  RECOVERY_MALFORMED: entry(
    290,
    'This is no recovery manifest of this chain. Nothing was changed. Make it with `ward network recover make` on a node of this network.',
  ),
  RECOVERY_STALE: entry(
    291,
    'This recovery manifest begins an epoch that is not above the one of this node. Nothing was changed. Nothing is to be done if the network has been recovered already; else make a new manifest.',
  ),
  RECOVERY_OTHER_BRANCH: entry(
    292,
    'This node holds another final block where the recovery manifest has its base. It takes no part, and its store is unchanged. Keep this store for an inquiry, and join anew from the recovered network.',
  ),
  RECOVERY_BELOW_TIP: entry(
    293,
    'This node holds final blocks above the base of the recovery manifest. It takes no part, and its store is unchanged. If the manifest is not in use yet, make it anew from this node; else keep this store and join anew.',
  ),
  NOT_LINEARIZABLE: entry(
    295,
    'Too few validators answered to say that this node has everything that was acknowledged anywhere. Nothing was changed. Read without that promise, or try again when more validators are reachable.',
  ),
  OLD_EPOCH: entry(
    294,
    'The network was recovered without this node and goes on in a newer epoch. This node has stopped voting; what is final here stays final. Give it the manifest with `ward network recover apply`, then it follows.',
  ),
  EXECUTOR_CRASHED_ON: entry(
    381,
    'The executor of this node died while it ran a block. Nothing was half written; the transactions of that block wait, and this node proposes them no more, though it takes part in blocks of others that hold them. `ward tx held` shows them and what ran; look at the dump, then an administrator lets them go with `ward tx release`.',
  ),
  HELD_UNKNOWN: entry(
    382,
    'Nothing of this name is held back at this node. Nothing was changed. `ward tx held` shows what is; each node has a list of its own.',
  ),
  HELD_NOT_SAVED: entry(
    383,
    'The disk refused the list of transactions that this node holds back. The list holds in memory and is written with a later block; until then a restart finds the one before. Free space on that disk.',
  ),
  ADMINISTRATOR_REQUIRED: entry(
    384,
    'Only an administrator of this hospital may do this. Nothing was changed. Sign in as one.',
  ),
  HEAP_HIGH: entry(
    359,
    'More than four fifths of a heap of this node are in use. Nothing was lost and the node goes on; a full heap ends it, and it comes back with less. Give it more (thread executor: "heapMiB" in node.json, 2048 when it is not named; thread main: NODE_OPTIONS=--max-old-space-size), then restart the node, one machine after the other.',
  ),
  DISK_LOW: entry(
    351,
    'Less than a tenth of the disk is free. Nothing was lost and the node goes on; when the disk is full it stops to vote and only answers. Free space on that disk, or keep fewer blocks: `ward store prune`, then `ward store compact`.',
  ),
  WIPE_STATE: entry(
    350,
    'The wipe of this node does not stand where this step needs it. Nothing was signed. `ward network list` shows where it stands: asked for by one administrator, ordered by two, begun by the node, ended when its certificate is confirmed.',
  ),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

export const statusOf = (code: ErrorCode): number => errorTable[code].number

const codesByNumber = new Map<number, ErrorCode>(
  Object.entries(errorTable).map(([code, { number }]) => [number, code as ErrorCode]),
)

/** Code of a status number; undefined for a number that this version does not know. */
export const codeOfStatus = (status: number): ErrorCode | undefined => codesByNumber.get(status)
