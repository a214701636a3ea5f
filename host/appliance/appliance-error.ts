// What an operator is told when the life of an appliance does not go on as asked. Codes are API: see
// README.md.

export const applianceErrorSentences = {
  NODE_RUNNING:
    'A running node holds this folder. Nothing was changed. Stop it first (`systemctl stop wardchain`, or end `ward node`).',
  NODE_ABSENT: 'There is no node in this folder. Nothing was changed. Check --dir.',
  SLOT_UNKNOWN:
    'There is no such keyslot. Nothing was changed. `ward keyslot list` shows the present ones.',
  PHRASE_WRONG:
    'The typed phrase is not the one that was asked for. Nothing was changed. Give the command again and type it as it is shown.',
  WIPE_INVALID:
    'A keyslot file could not be destroyed, so this wipe is NOT valid: whoever has its password may still open what is left. ' +
    'Correct the cause and run it again, or destroy the medium.',
  WIPE_NOT_BEGUN:
    'The certificate cannot be written at its place, so nothing was changed: the keys are still in this folder, and open the ' +
    'data with their password. Give another --certificate. A read-only file system must be made writable first ' +
    '(`mount -o remount,rw`), or the medium destroyed.',
  CERTIFICATE_UNWRITTEN:
    'The wipe was carried out, but its certificate could not be written. It was printed to standard output: keep that.',
  WIPE_INCOMPLETE:
    'The keys are destroyed and the data cannot be opened any more, but not every file could be overwritten. ' +
    'Correct the cause and run it again: it goes on where it stopped.',
  CERTIFICATE_INVALID:
    'This certificate of sanitisation does not verify. Do not rely on it: treat the medium as not wiped until its certificate is found.',
  UNIT_EXISTS:
    'A unit of this name is there already and is not ours. Nothing was changed. Choose another --name.',
  UNIT_ABSENT: 'There is no such unit. Nothing was changed. Check --name and --unit-dir.',
  FOLDER_UNSAFE:
    'This cannot be named in a service unit. Nothing was changed. Use paths of letters, digits and . _ + - only, and an ' +
    'account of small letters.',
  IMAGE_MALFORMED:
    'This is not a whole release image. Nothing was installed. Copy it again from its source.',
  IMAGE_UNTRUSTED:
    'The image is not signed by enough of the trusted release keys. Nothing was installed. Ask the vendor which key signs.',
  IMAGE_OLDER:
    'The image is older than what is installed. Nothing was installed. Add --force only to return to it on purpose.',
  RELEASE_UNREADABLE:
    'The release.json of the installation that must not be undercut is damaged, so nobody can tell whether the image is older. ' +
    'Nothing was installed. Put the file back from a copy of that installation, or add --force when you know its build.',
  IMAGE_FOREIGN:
    'The image holds native parts for another kind of machine. Nothing was installed. Get the one for this platform.',
  RELEASE_UNPINNED:
    'Nothing says whose images may be installed here. Nothing was installed. Give --release-key.',
  NODE_NOT_STARTED:
    'The release is installed and whole, but it could not make a node. Correct the cause and give `ward join` there; ' +
    'an interrupted join goes on.',
  IMAGE_SOURCE: 'The project cannot be packed as it is.',
  IMAGE_DIRTY:
    'The project is not as its commit says, so nobody else could make the same image. Nothing was packed. Commit or remove ' +
    'the changes, or add --dirty for an image that says so of itself.',
  INSTALL_ALTERED:
    'What was read back is not what was written. The new folder was removed. Check the medium.',
  RELEASE_KEY_REJECTED: 'The key does not open with this password. Nothing was signed.',
  FOLDER_NOT_EMPTY: 'This folder already holds something. Nothing was changed. Choose a new or empty one.',
  BACKUP_MALFORMED:
    'This is not a whole backup. Nothing was restored. Copy it again from where it was taken, or use an earlier one.',
  BACKUP_TORN: 'A patient was erased while the backup was taken. Nothing was kept. Take it again.',
  STORE_NOT_COMPACTED:
    'The node could not make its store smaller. Nothing was lost and it goes on. `ward status` tells why; mend that, then ask again.',
  REPORT_UNUSABLE:
    'What one node did in this block cannot be told, so nothing was compared. Nothing was changed. Give the folder of another node, or what `ward doctor --report` wrote of it.',
  GENESIS_UNKNOWN:
    'The store holds no founding document: it was never unlocked, so there is nothing to check.',
} as const

export type ApplianceCode = keyof typeof applianceErrorSentences

/** An expected refusal, or a fault of the medium, with its code, its sentence and what it is about. */
export class ApplianceError extends Error {
  constructor(
    readonly code: ApplianceCode,
    readonly detail = '',
    cause?: unknown,
  ) {
    super(`${applianceErrorSentences[code]}${detail === '' ? '' : ` (${detail})`}`, { cause })
    this.name = 'ApplianceError'
  }
}
