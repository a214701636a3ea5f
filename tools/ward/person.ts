// `ward person add | role | password | list`: people of a running network. The key is made where its person
// is (`ward init person`); two administrators enrol it; its person alone changes the password.
import type { Command } from 'commander'
import { readCard, type PersonCard } from '../../host/founding/cards.js'
import type { Json, PersonView, Proposal } from '../../host/api/node-port.js'
import { sha256 } from '../../host/keys/crypto.js'
import { bytesToHex, entityIdOf, entityKind, keyIdOf } from '../../runtime/protocol/index.js'
import { CommandError } from './command-error.js'
import { connect, findPerson, must, type NodeChoice } from './connect.js'
import { governance } from './governance-calls.js'
import { readNewPassword, readPassword } from './password.js'
import { confirm, withSigner, type SigningOptions } from './rule-signing.js'
import { visibleText } from './visible-text.js'

export function addPersonCommands(program: Command): void {
  const person = program.command('person').description('people of a running network, and their passwords')
  const sub = (name: string, what: string): Command =>
    person
      .command(name)
      .description(what)
      .option('--dir <folder>', 'folder of the node to ask')
      .option('--api <url>', 'address of its local API')
  sub('list', 'who can sign in').option('--json', 'one JSON object').action(list)
  sub('add', 'enrol a person or vendor; counts when a second administrator does the same')
    .argument('<card>', 'card made by `ward init person` at the computer of that person')
    .requiredOption('--as <label>', 'administrator who signs')
    .option('--yes', 'sign without asking')
    .addHelpText(
      'after',
      `
Both administrators give this command with the same card, each with an own password, within seven days. The
second one also assigns the roles that the card asks for; look at them before. Role admin counts for both; any
other role that takes two administrators is noted then, and the command says what is to be done.
Compare the key id with what the person reads out: the card may have been exchanged on its way.`,
    )
    .action(add)
  sub('role', 'give a person a role, or take it away; role admin takes two administrators')
    .argument('<person>', 'label, or the beginning of one')
    .argument('<role>', 'nurse, doctor, vendor, admin, or a role of your own')
    .requiredOption('--as <label>', 'administrator who signs')
    .option(
      '--remove',
      'take the role away (also one that was only asked for); one administrator is enough',
    )
    .option('--yes', 'sign without asking')
    .addHelpText(
      'after',
      `
Role admin, and any role that may approve, enrol or order a wipe, is given when a second administrator gives
the same command within seven days. In a network with one administrator the second word is the person's own:
  ward person role Doctor admin --as Administrator
  ward person role Doctor admin --as Doctor
This does not count within seven days after an administrator was removed: make the new one first.`,
    )
    .action(role)
  sub('password', 'change your own second password; your key stays the same')
    .requiredOption('--as <label>', 'who you are')
    .action(password)
}

async function list(options: NodeChoice & { json?: boolean }): Promise<void> {
  const people = must(await connect(options).people())
  const lines = people.map(
    ({ entity, label, roles }) => `${entity.slice(0, 16)}  ${visibleText(label)}  ${roles.join(', ')}\n`,
  )
  process.stdout.write(options.json ? `${JSON.stringify({ people })}\n` : lines.join(''))
}

async function add(file: string, options: SigningOptions): Promise<void> {
  const card = readCard(file)
  if (card.type !== 'person') {
    throw new CommandError('CARD_MALFORMED', `${file} is the card of a node. Nothing was changed.`)
  }
  const entity = bytesToHex(entityIdOf(sha256, card.publicKey))
  const label = visibleText(card.label)
  const roles = card.roles.map(visibleText).join(', ')
  process.stdout.write(`${label}, roles ${roles}, key ${bytesToHex(keyIdOf(sha256, card.publicKey))}\n`)
  await withSigner(options, async ({ client, sign }) => {
    await confirm('Enrol this person?', options)
    await sign({ type: 'call', target: governance, method: 'enrolPerson', args: enrolment(card) })
    // After the first administrator's signature nobody is enrolled yet.
    if (!must(await client.people()).some((person) => person.entity === entity)) {
      if (card.roles.includes(admin)) await sign(roleCall('assignRole', entity, admin))
      process.stdout.write('noted. A second administrator gives the same command within seven days.\n')
      return
    }
    for (const role of card.roles) await sign(roleCall('assignRole', entity, role))
    process.stdout.write(`enrolled: ${label} can sign in at every node.\n`)
    const people = must(await client.people())
    const held = people.find((person) => person.entity === entity)?.roles ?? []
    for (const name of card.roles.filter((wanted) => !held.includes(wanted)))
      process.stdout.write(`role ${visibleText(name)} is noted. ${secondWord(label, name, people)}\n`)
  })
}

const admin = 'admin'

const roleCall = (method: 'assignRole' | 'removeRole', entity: string, role: string): Proposal => ({
  ...{ type: 'call', target: 'ward/policy', method, args: { entity, role } },
})

async function role(
  text: string,
  name: string,
  options: SigningOptions & { remove?: boolean },
): Promise<void> {
  const { entity, label } = await findPerson(connect(options), text)
  const who = visibleText(label)
  await withSigner(options, async ({ client, sign }) => {
    await confirm(`${options.remove ? 'Take' : 'Give'} ${who} role ${visibleText(name)}?`, options)
    await sign(roleCall(options.remove ? 'removeRole' : 'assignRole', entity, name))
    if (options.remove) return void process.stdout.write(`${who} does not have role ${name}.\n`)
    const people = must(await client.people())
    if (people.some((person) => person.entity === entity && person.roles.includes(name))) {
      return void process.stdout.write(`${who} has role ${name}.\n`)
    }
    process.stdout.write(`noted. ${secondWord(who, name, people)}\n`)
  })
}

/** Who has to say the same; to the only administrator only a new one is agreed by its own word. */
function secondWord(who: string, name: string, people: readonly PersonView[]): string {
  const command = `\`ward person role "${who}" ${visibleText(name)}\``
  if (people.filter(({ roles }) => roles.includes(admin)).length > 1)
    return `A second administrator gives the command ${command} within seven days.`
  if (name === admin) return `${who} gives the command ${command} within seven days.`
  return `There is one administrator: make another one, who gives the command ${command} within seven days.`
}

const enrolment = ({ roles, publicKey, label, keystore }: PersonCard): Json => ({
  kind: roles.includes('vendor') ? entityKind.vendor : entityKind.person,
  publicKey: bytesToHex(publicKey),
  label,
  keystore: bytesToHex(keystore),
})

async function password(options: NodeChoice & { as: string }): Promise<void> {
  const client = connect(options)
  const person = await findPerson(client, options.as)
  const label = visibleText(person.label)
  const present = await readPassword(`Present second password of ${label}`)
  try {
    must(await client.signIn(person.entity, present))
    const changed = await readNewPassword(`New second password of ${label}`)
    const receipt = must(await client.changePassword(present, changed))
    changed.fill(0)
    if (receipt.code !== 'OK') {
      throw new CommandError(receipt.code, receipt.sentence)
    }
    process.stdout.write(
      `the password of ${label} was changed; the key is the same. Older copies of the wrapped key, in the ` +
        'founding document or a backup, still open with the old password: if somebody may know it, have the ' +
        'key revoked and enrol a new one.\n',
    )
  } finally {
    present.fill(0)
    await client.signOut()
  }
}
