// People who came after the founding, and the wrapped keys of all: a person signs in at any node of the
// hospital with the password that the newest wrapping is made with. The founding document holds the first
// wrappings of its people; a row here stands for them as soon as there is one.
import {
  ARGUMENT_INVALID,
  Bytes,
  bytesEqual,
  OrderedTable,
  Reader,
  refuse,
  sha256,
  Table,
  Writer,
} from '../../sdk'

const SCHEMA: u16 = 1
const LABEL_BYTES_MAX: i32 = 100
/** Today's layout has 96 bytes (host/keys/person-keystore.ts). */
const KEYSTORE_BYTES_MIN: i32 = 64
const KEYSTORE_BYTES_MAX: i32 = 256
const PEOPLE_MAX: i32 = 100

/** Entity -> u16 schema | keystore. */
const keystores = new Table(2)
/** One partition, by the height of the enrolment: entity 32 | publicKey 32 | label. */
const enrolled = new OrderedTable(3)
/** Entity -> SHA-256 of what the first administrator asked for: the second one must mean the same. */
const asked = new Table(4)
const everyone: Bytes = new StaticArray<u8>(0)

export class Person {
  publicKey: Bytes = everyone
  label: string = ''
  keystore: Bytes = everyone
}

export function readPerson(reader: Reader): Person {
  const person = new Person()
  person.publicKey = reader.fixed(32)
  person.label = reader.text(LABEL_BYTES_MAX)
  if (person.label.length == 0) refuse(ARGUMENT_INVALID, 'label: a person needs a name on the screens')
  person.keystore = readKeystore(reader)
  return person
}

export function readKeystore(reader: Reader): Bytes {
  const keystore = reader.bytesValue(KEYSTORE_BYTES_MAX)
  if (keystore.length < KEYSTORE_BYTES_MIN) refuse(ARGUMENT_INVALID, 'keystore: not a wrapped key')
  return keystore
}

const hashOf = (person: Person): Bytes =>
  sha256(new Writer().text(person.label).bytesValue(person.keystore).finish())

export function askFor(entity: Bytes, person: Person): void {
  asked.set(entity, new Writer().fixed(hashOf(person)))
}

/** By the second administrator: under a name or a password that the first one did not see nobody is enrolled. */
export function addPerson(entity: Bytes, person: Person, height: u64): void {
  const first = asked.get(entity)
  if (first === null || !bytesEqual(first, hashOf(person))) {
    refuse(ARGUMENT_INVALID, 'the first administrator enrolled this key with another card')
  }
  asked.remove(entity)
  const row = new Writer().u16(SCHEMA).fixed(entity).fixed(person.publicKey).text(person.label)
  enrolled.put(everyone, height, row.finish())
  replaceKeystore(entity, person.keystore)
}

export function replaceKeystore(entity: Bytes, keystore: Bytes): void {
  keystores.set(entity, new Writer().u16(SCHEMA).bytesValue(keystore))
}

export function keystoreRow(entity: Bytes): Bytes | null {
  const row = keystores.get(entity)
  if (row === null) return null
  const reader = new Reader(row)
  reader.u16()
  return reader.bytesValue(KEYSTORE_BYTES_MAX)
}

export function listPeople(after: u64): Writer {
  const rows = enrolled.scan(everyone, after + 1, u64.MAX_VALUE >> 1, PEOPLE_MAX)
  const writer = new Writer().u32(rows.length)
  for (let index = 0; index < rows.length; index++) {
    const row = new Reader(rows[index].value)
    row.u16()
    writer.u64(rows[index].order).fixed(row.fixed(32)).fixed(row.fixed(32)).text(row.text(LABEL_BYTES_MAX))
  }
  return writer
}
