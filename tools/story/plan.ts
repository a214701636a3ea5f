// The demonstration's network: names, ports and printed passwords. Everything real; only the scale is small.
import { freePorts } from '../../consensus/net/free-ports.js'

export interface PlannedNode {
  name: string
  role: 'validator' | 'observer' | 'gateway'
  port: number
  apiPort: number
  sources: { name: string; accepts: string; port: number }[]
}

export interface PlannedPerson {
  file: string
  label: string
  role: 'admin' | 'nurse' | 'doctor' | 'vendor'
  password: string
}

export interface StoryPlan {
  folder: string
  nodes: PlannedNode[]
  persons: PlannedPerson[]
  /** One store password for all demo nodes; a hospital gives each its own. */
  storePassword: string
}

/** The story's own size; benches take others. */
export interface StoryShape {
  validators: number
  /** A workstation that observes and a gateway. */
  followers: boolean
}

export const storyShape: StoryShape = { validators: 4, followers: true }

/** Printed at the start: a demonstration holds no secret. */
const storePassword = 'demo store password'
const persons: PlannedPerson[] = [
  { file: 'administrator', label: 'Administrator', role: 'admin', password: 'demo administrator' },
  { file: 'nurse', label: 'Nurse, ward 4 West', role: 'nurse', password: 'demo nurse password' },
  { file: 'surgeon', label: 'Surgeon on call', role: 'doctor', password: 'demo surgeon password' },
  { file: 'vendor', label: 'Vendor of the rules', role: 'vendor', password: 'demo vendor password' },
]

/**
 * Four validators, one workstation that observes, one gateway with two attached sources; all ports free
 * right now, and not handed out by the system later.
 */
export async function planStory(folder: string, shape: StoryShape = storyShape): Promise<StoryPlan> {
  const count = shape.validators
  const udp = await freePorts(count, 'udp')
  const tcp = await freePorts(count + 4, 'tcp')
  const validators = udp.map((port, index): PlannedNode => {
    return { name: `validator-${index + 1}`, role: 'validator', port, apiPort: tcp[index], sources: [] }
  })
  const workstation: PlannedNode = {
    name: 'workstation',
    role: 'observer',
    port: 0,
    apiPort: tcp[count],
    sources: [],
  }
  const gateway: PlannedNode = {
    name: 'gateway',
    role: 'gateway',
    port: 0,
    apiPort: tcp[count + 1],
    sources: [
      { name: 'adt', accepts: 'ADT', port: tcp[count + 2] },
      { name: 'monitor-412', accepts: 'ORU', port: tcp[count + 3] },
    ],
  }
  const followers = shape.followers ? [workstation, gateway] : []
  return { folder, nodes: [...validators, ...followers], persons, storePassword }
}
