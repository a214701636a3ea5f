// What to do about what the store says: its own messages name what happened, and to what.
import type { StoreError } from '../../host/store/index.js'

const advice: Readonly<Partial<Record<StoreError['code'], string>>> = {
  KEYSLOT_REJECTED:
    'Nothing was changed. Type the password again; any other slot (`ward keyslot list`) opens the same store. ' +
    'A slot with a second secret opens only with its file: --second-secret <file>.',
  KEYSLOT_DAMAGED:
    'Put back a copy of the file `keyslots`; if there is none, wipe this node and join anew.',
  KEYSLOT_MISSING: 'Put back a copy of the file `keyslots`; after a wipe this is what you want to see.',
  KEYSLOT_LAST: 'Nothing was changed. Add another slot first.',
  STORE_LOCKED: 'Nothing was changed. Stop that process first.',
  STORE_NEWER_VERSION: 'Nothing was changed and nothing is lost. Start the newer version of this software.',
  FOREIGN_FILE: 'Nothing was changed. Give the folder that this file belongs to.',
  STORE_FULL: 'Nothing of it was written and nothing is lost. Free space, then do it again.',
  STORE_READ_ONLY: 'Nothing was changed. Mend the mount or the owner of the folder, then do it again.',
  RECORD_ALTERED:
    'Keep the folder and check it with `ward doctor`; restore a backup, or wipe and join anew.',
  NEIGHBOUR_ALTERED:
    'Keep the folder and check it with `ward doctor`; restore a backup, or wipe and join anew.',
  RECORD_UNKNOWN_VERSION:
    'Nothing was changed. Use the newest copy of the file `keyslots` and the newest version of this software.',
  KEYSLOT_EPOCHS:
    'Nothing was changed. Wipe this node, found it anew (`ward init node`) and let it copy from the others.',
  KEYSLOT_EPOCH_USED:
    'Nothing was forgotten. Start and unlock the node until `ward status` says no more of re-sealing, then do it again.',
  STORE_WRITE_FAILED:
    'What was acknowledged before is on disk. Look at the system log, replace the medium, then do it again.',
  STORE_KEY_MISMATCH: 'This is a fault of the software. Stop the node, keep the folder and report it.',
  STORE_DAMAGED:
    'Keep the folder and check it with `ward doctor`; restore a backup, or wipe and join anew.',
}

export function storeSentence({ code, message }: StoreError): string {
  const next = advice[code]
  const said = /[.!?]$/.test(message) ? message : `${message}.`
  return next === undefined ? message : `${said} ${next}`
}
