// What is missing, in words that a person can take to an administrator. ASCII: receipts carry it.

const kindNames: string[] = [
  'record',
  'admission',
  'observation',
  'finding',
  'alert',
  'alert response',
  'order',
  'order event',
  'source message',
]

function kindName(kind: u8): string {
  return (kind as i32) < kindNames.length ? kindNames[kind] : `record of kind ${kind}`
}

export function missingAppend(kind: u8, code: string): string {
  const what = code.length > 0 ? `append ${kindName(kind)} ${code}` : `append ${kindName(kind)}`
  return `${what} for this patient: ${appendHolders(kind)}`
}

function appendHolders(kind: u8): string {
  switch (kind) {
    case 1:
    case 2:
      return 'ask for a grant with role nurse or a source grant'
    case 3:
      return 'ask for a grant with role nurse or doctor'
    case 4:
      return 'only rules raise alerts, through ward/alerts'
    case 5:
      return 'answer alerts by calling ward/alerts acknowledge'
    case 6:
      return 'only rules propose orders, through ward/orders'
    case 7:
      return 'decide orders by calling ward/orders sign or decline'
    case 8:
      return 'ask for role source'
    default:
      return 'ask an administrator for a grant of this kind'
  }
}

export function missingRead(kind: u8): string {
  return `read ${kindName(kind)} of this patient: ask for a grant with role nurse or doctor`
}

export function missingCall(target: string, method: string): string {
  return `call ${target} ${method}: ${callHolders(target, method)}`
}

function callHolders(target: string, method: string): string {
  if (target == 'ward/governance') {
    return method == 'deploy' ? 'ask for role vendor' : 'ask for role admin'
  }
  if (target == 'ward/policy') return 'ask for role admin'
  if (target == 'ward/orders') return 'ask for role doctor'
  if (target == 'ward/alerts') {
    return method == 'retract' ? 'ask for role doctor' : 'ask for role nurse or doctor'
  }
  return 'ask an administrator for a call grant'
}
