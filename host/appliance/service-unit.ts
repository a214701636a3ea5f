// The node as a transparent service: a systemd unit with everything taken away that a node does not need.
import { existsSync, readFileSync, rmSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { replaceFile } from '../store/durable-file.js'
import { credentialName } from '../node/unattended.js'
import { ApplianceError } from './appliance-error.js'

export interface UnitOptions {
  /** Name of the unit, without `.service`. */
  name: string
  /** The node's folder: the only place that the service may write to. */
  folder: string
  /** Folder of this installation (holds `dist/`). */
  installation: string
  /** The Node.js binary. */
  node: string
  /** System account that owns the folder. */
  user: string
  /** Encrypted credential that opens the store at each start (`ward keyslot platform`). */
  credential?: string
}

/** First line of our units; a unit without it is someone else's and is neither replaced nor removed. */
const mark = '# Written by `ward service install`. Changes here are lost at the next install.'

/** Homes are hidden from the service; what lies in one has to be shown to it by name. */
const homes = ['/home/', '/root/', '/run/user/']

const wantedBy = 'multi-user.target'

/** What no node needs, whatever its place. */
const confinement = `# Kernel.
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes

# Privileges. MemoryDenyWriteExecute is missing on purpose: V8 compiles while it runs.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateUsers=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service @pkey
SystemCallFilter=~@privileged @resources @keyring @setuid
SystemCallErrorNumber=EPERM

[Install]
WantedBy=${wantedBy}
`

/**
 * Text of the unit. No MemoryDenyWriteExecute: V8 compiles to machine code while it runs. Throws
 * FOLDER_UNSAFE for paths that a unit would read otherwise.
 */
export function serviceUnit(options: UnitOptions): string {
  const { folder, installation, node, user, name } = options
  const { credential } = options
  for (const shown of [folder, installation, node, ...(credential === undefined ? [] : [credential])]) {
    if (!path.isAbsolute(shown) || !/^[A-Za-z0-9/._+-]+$/.test(shown)) {
      throw new ApplianceError('FOLDER_UNSAFE', shown)
    }
  }
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(user)) throw new ApplianceError('FOLDER_UNSAFE', `user ${user}`)
  const command = path.join(installation, 'dist', 'tools', 'ward.js')
  return `${mark}
[Unit]
Description=wardchain node (${name})
After=network-online.target time-sync.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=all
WatchdogSec=60
User=${user}
Group=${user}
ExecStart=${node} ${command} node --dir ${folder}
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
SyslogIdentifier=${name}
UMask=0077

# In memory: the secret by which this boot may restart the node. Gone when stopped, and with the power.
RuntimeDirectory=${name}
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=restart
${credentialLine(credential)}
# Keys stay in memory: no core dumps, no swap, room to lock pages.
LimitCORE=0
LimitMEMLOCK=64M
LimitNOFILE=65536
MemorySwapMax=0
KeyringMode=private

# Files: the node's folder and nothing else.
ProtectSystem=strict
ReadWritePaths=${folder}
${homeLines(folder, [installation, path.dirname(node)])}PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed

${confinement}`
}

function credentialLine(file: string | undefined): string {
  return file === undefined ? '' : `LoadCredentialEncrypted=${credentialName}:${file}\n`
}

function homeLines(folder: string, readOnly: readonly string[]): string {
  const inHome = (file: string): boolean => homes.some((home) => `${file}/`.startsWith(home))
  const shown = [...new Set(readOnly.filter(inHome))].map((file) => `BindReadOnlyPaths=${file}\n`)
  if (inHome(folder)) shown.push(`BindPaths=${folder}\n`)
  return shown.length === 0 ? 'ProtectHome=yes\n' : `ProtectHome=tmpfs\n${shown.join('')}`
}

const unitPath = (unitFolder: string, name: string): string => path.join(unitFolder, `${name}.service`)

/** Writes the unit; replaces our own. Throws UNIT_EXISTS for a unit that is not ours. Returns its path. */
export function installUnit(options: UnitOptions, unitFolder: string): string {
  const text = serviceUnit(options)
  const file = unitPath(unitFolder, options.name)
  if (existsSync(file) && !isOurs(file)) throw new ApplianceError('UNIT_EXISTS', file)
  replaceFile(file, Buffer.from(text))
  return file
}

/**
 * Removes the unit and the link by which it starts with the machine: `systemctl disable` refuses a unit whose
 * file is gone. The node's folder is not touched. Throws UNIT_ABSENT, UNIT_EXISTS.
 */
export function uninstallUnit(name: string, unitFolder: string): string {
  const file = unitPath(unitFolder, name)
  if (!existsSync(file)) throw new ApplianceError('UNIT_ABSENT', file)
  if (!isOurs(file)) throw new ApplianceError('UNIT_EXISTS', file)
  unlinkSync(file)
  rmSync(path.join(unitFolder, `${wantedBy}.wants`, path.basename(file)), { force: true })
  return file
}

const isOurs = (file: string): boolean => readFileSync(file, 'utf8').startsWith(mark)
