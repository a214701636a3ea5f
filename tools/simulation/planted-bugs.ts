// Known bugs to be planted into the compiled core. A simulator that finds none of these proves nothing.
// The table in consensus/README.md says which seed finds each (simulate-mutations.ts runs them).

export interface Mutation {
  readonly name: string
  /** Compiled file below dist/consensus/pbft. */
  readonly file: string
  /** Each text must occur exactly once in the compiled file. */
  readonly edits: readonly (readonly [find: string, replace: string])[]
  /** Extra options: most bugs show with crashes and partitions alone, some need an attacker. */
  readonly options: readonly string[]
}

const byzantine = ['--byzantine']
/** Partitions that last until several views have failed. */
const partitions = ['--only', 'F2', '--minutes', '1']
/** More than f lost, a manifest, and who comes back. */
const recoveries = ['--recovery']
/** Forged certificates in a network whose leaders fail often. */
const forgers = ['--byzantine', '--only', 'F26,F2,F13,F6']

/** Leaders that leave out transactions or due work, while others saturate the network. */
const censors = ['--byzantine', '--only', 'F22,F1', '--minutes', '0.1']

/** Invalid blocks, and leaders that come and go: one that was passed over leads again. */
const inventors = ['--byzantine', '--only', 'F23,F1,F2,F13,F6']

export const mutations: readonly Mutation[] = [
  {
    name: 'quorum-off-by-one',
    file: 'quorum.js',
    edits: [['const quorumOffset = 0', 'const quorumOffset = -1']],
    options: [],
  },
  {
    name: 'vote-before-persist',
    file: 'prepare.js',
    edits: [
      [
        'state.own.prepare = message;\n    logVote(state, state.prepares, message);\n    persist(state);\n    send(state, null, message);',
        'state.own.prepare = message;\n    logVote(state, state.prepares, message);\n    send(state, null, message);\n    persist(state);',
      ],
    ],
    options: [],
  },
  {
    name: 'view-change-not-persisted',
    file: 'view-change.js',
    edits: [['    persist(state);\n', '']],
    options: [],
  },
  {
    name: 'body-not-kept',
    file: 'safety.js',
    edits: [['hasVoted && voted !== undefined ? proposedBlock(voted) : null', 'null']],
    options: [],
  },
  {
    name: 'lock-not-reported',
    file: 'view-change.js',
    edits: [['prepared: state.prepared,', 'prepared: null,']],
    options: [],
  },
  {
    name: 'lock-ignored-by-leader-and-followers',
    file: 'view-change.js',
    edits: [
      ['    return highestPrepared(state.justification)[0] ?? null;', '    return null;'],
      [
        '        if (prepared === null)\n            continue;',
        '        if (prepared !== null || true)\n            continue;',
      ],
    ],
    options: [],
  },
  {
    name: 'lowest-lock-instead-of-highest',
    file: 'view-change.js',
    edits: [['prepared.view > highest[0].view', 'prepared.view < highest[0].view']],
    options: partitions,
  },
  {
    name: 'clock-check-on-re-proposal',
    file: 'proposal.js',
    edits: [['about.isForced || skew <=', 'skew <=']],
    options: [],
  },
  {
    name: 'signer-counted-twice',
    file: '../../runtime/protocol/certificate.js',
    // Also in the decoder: no wire carries such a certificate otherwise.
    edits: [
      ['if (!areDistinct || signatures', 'if (signatures'],
      ['if (signers[index] <= signers[index - 1])', 'if (signers[index] < 0)'],
    ],
    options: forgers,
  },
  {
    name: 'stale-votes-after-a-height',
    file: 'height.js',
    edits: [
      [
        'Object.assign(state, newHeightState(tip.height + 1));',
        'const stale = state.commits; Object.assign(state, newHeightState(tip.height + 1)); state.commits = stale;',
      ],
    ],
    options: [],
  },
  {
    name: 'view-survives-a-commit',
    file: 'height.js',
    edits: [
      [
        'Object.assign(state, newHeightState(tip.height + 1));',
        'const { view, started } = state; Object.assign(state, newHeightState(tip.height + 1), { view, started });',
      ],
    ],
    options: [],
  },
  {
    name: 'votes-forgotten-at-restart',
    file: 'height.js',
    edits: [['    state.restored = safety;\n', '']],
    options: [],
  },
  {
    name: 'amnesia-not-respected',
    file: 'height.js',
    edits: [
      [
        'if (event.amnesia || isDamaged) {\n        // R17: silent until the chain has passed everything this key may have signed.\n        state.voteFloor = Number.MAX_SAFE_INTEGER;',
        'if (event.amnesia || isDamaged) {\n        state.voteFloor = 0;',
      ],
    ],
    options: [],
  },
  {
    name: 'view-forgotten-at-restart',
    file: 'height.js',
    edits: [['    state.view = record.view;\n', '']],
    options: [],
  },
  {
    name: 'vote-without-execution',
    file: 'prepare.js',
    edits: [
      [
        "candidate.execution !== 'valid' || !state.ballotTimely",
        "candidate.execution === 'refused' || !state.ballotTimely",
      ],
      [
        'candidate.hash, candidate.resultHash);\n    state.own.prepare',
        'candidate.hash, candidate.resultHash ?? candidate.hash);\n    state.own.prepare',
      ],
    ],
    options: [],
  },
  {
    name: 'divergent-result-finalized',
    file: 'commit.js',
    edits: [['if (!equalBytes(candidate.resultHash, certificate.resultHash))', 'if (false)']],
    options: ['--only', 'F37,F1,F2,F13', '--without', 'F32'],
  },
  {
    name: 'justification-signatures-unchecked',
    file: 'view-change.js',
    edits: [['!state.ports.verify(voteKey, bytes, item.signature)', 'false']],
    options: forgers,
  },
  {
    name: 'justification-senders-not-distinct',
    file: 'view-change.js',
    edits: [['sender < 0 || senders.has(sender)', 'sender < 0']],
    options: forgers,
  },
  {
    name: 'certificates-unchecked-in-catch-up',
    file: 'catch-up.js',
    edits: [["if (!isCertificateValid(state, certificate, options))\n        return 'certificate';", '']],
    options: byzantine,
  },
  {
    name: 'locks-unchecked',
    file: 'view-change.js',
    edits: [["if (!isCertificateValid(state, prepared, options))\n            return 'forged lock';", '']],
    options: forgers,
  },
  {
    name: 'no-timer-after-restart',
    file: 'step.js',
    edits: [
      [
        'if (isRunning(state))\n        refreshTimers(state);',
        "if (isRunning(state) && (event.type !== 'timerExpired' || event.id !== 'view') && state.tip.height < 8)\n        refreshTimers(state);",
      ],
    ],
    options: [],
  },
  {
    name: 'others-view-changes-not-followed',
    file: 'view-change.js',
    edits: [['if (higher.length > f)\n', 'if (higher.length > 99)\n']],
    options: [],
  },
  {
    name: 'parent-result-unchecked',
    file: 'proposal.js',
    edits: [['!equalBytes(header.parentResultHash, tip.resultHash)', 'false']],
    options: inventors,
  },
  {
    name: 'future-messages-unbounded-views',
    file: 'prepare.js',
    edits: [['message.view < state.view || message.view > state.view + viewsAheadMax', 'false']],
    options: ['--byzantine', '--only', 'F9,F1'],
  },
  {
    name: 'evidence-from-one-message',
    file: 'evidence.js',
    edits: [
      ['return !equalBytes(first.blockHash', 'return first !== second || !equalBytes(first.blockHash'],
      ['=> !equalBytes(first.blockHash', '=> first !== second || !equalBytes(first.blockHash'],
    ],
    options: [],
  },
  {
    name: 'finalized-twice',
    file: 'commit.js',
    edits: [['    state.applying = true;\n', '']],
    options: [],
  },
  {
    name: 'heartbeats-without-end-of-silence',
    file: 'timers.js',
    edits: [['if (state.now >= silenceDeadline(state))', 'if (true)']],
    options: [],
  },
  {
    name: 'followers-ignore-due-work',
    file: 'timers.js',
    edits: [['if (isDue(state, state.config.clockSkewMsMax))', 'if (false)']],
    options: censors,
  },
  {
    name: 'censorship-is-not-complained-about',
    file: 'timers.js',
    edits: [["abandonLeader(state, 'transaction overdue')", 'void state']],
    options: censors,
  },
  {
    name: 'timeouts-without-cap',
    file: 'timers.js',
    edits: [
      [
        'Math.min(state.viewTimeoutMs * 2 ** Math.min(view, 16), state.config.viewTimeoutMsMax)',
        'state.viewTimeoutMs * 2 ** Math.min(view, 16)',
      ],
    ],
    options: partitions,
  },
  {
    name: 'suspects-are-waited-for',
    file: 'view-change.js',
    edits: [["abandonView(state, 'leader still silent')", 'void state']],
    options: [],
  },
  {
    name: 'parent-certificate-in-a-proposal-unchecked',
    file: 'proposal.js',
    edits: [
      [
        "isCertificateValid(state, certificate, { phase: 'commit', set: tip.validators, epoch: tip.epoch })",
        'true',
      ],
    ],
    options: forgers,
  },
  {
    name: 'parent-certificate-in-a-view-change-unchecked',
    file: 'view-change.js',
    edits: [
      [
        "return isCertificateValid(state, lastCertificate, options) ? null : 'forged certificate of the parent'",
        'return null',
      ],
    ],
    options: forgers,
  },
  {
    name: 'any-split-sets-aside',
    file: 'prepare.js',
    edits: [['if (groups.length === 0 || votes - groups[0].size <= f)', 'if (groups.length === 0)']],
    options: ['--byzantine', '--only', 'F20,F1'],
  },
  {
    name: 'evidence-signatures-unchecked',
    file: 'evidence.js',
    edits: [['if (areGenuine)', 'if (areGenuine || true)']],
    options: forgers,
  },
  {
    name: 'one-signer-is-a-quorum-for-light-clients',
    file: '../../runtime/protocol/certificate.js',
    // Also in the decoder: no wire carries such a certificate otherwise.
    edits: [
      ['if (!areDistinct || signatures', 'if (signatures'],
      ['if (signers[index] <= signers[index - 1])', 'if (signers[index] < 0)'],
    ],
    options: ['--byzantine', '--only', 'F29,F1'],
  },
  {
    name: 'snapshot-root-unchecked',
    file: '../sim/light-client.js',
    edits: [['if (!equalBytes(stateRootOf(state), last.result.stateRoot))', 'if (false)']],
    options: ['--only', 'F36,F1'],
  },
  {
    name: 'lane-caps-ignored',
    file: '../sim/ledger.js',
    edits: [
      [
        'if (bulk > bulkFuelMax || clinical > clinicalFuelMax || total > blockFuelMax)',
        'if (total > 1000)',
      ],
    ],
    options: ['--only', 'F38,F39'],
  },
  {
    name: 'credit-below-the-overdraft',
    file: '../sim/ledger.js',
    edits: [['return left < floor', 'return false']],
    options: ['--only', 'F38,F39'],
  },
  {
    name: 'a-transaction-twice',
    file: '../sim/app.js',
    edits: [['if (executed.has(transaction.id))\n            return null;', '']],
    options: inventors,
  },
  {
    name: 'clients-told-before-the-charge',
    file: '../sim/app.js',
    edits: [['credit: account.credit }', 'credit: before.accounts[owner].credit }']],
    options: [],
  },
  {
    name: 'read-answered-without-asking',
    file: '../driver/read-index.js',
    edits: [['return counted >= quorum ? highest : undefined', 'return tipHeight']],
    options: [],
  },
  {
    name: 'read-asks-one-member-less',
    file: '../driver/read-index.js',
    edits: [['counted >= quorum ?', 'counted >= quorum - 1 ?']],
    options: [],
  },
  {
    name: 'locks-not-shown-to-reads',
    file: 'commit.js',
    edits: [
      ["    if (prepared !== null)\n        return { phase: 'prepare', certificate: prepared };\n", ''],
    ],
    options: ['--only', 'F2,F1'],
  },
  {
    name: 'votes-in-a-closed-epoch',
    file: 'state.js',
    edits: [['if (state.height <= closedHeight(state.config))', 'if (state.height < 0)']],
    options: recoveries,
  },
  {
    name: 'recovered-set-ignored',
    file: 'epochs.js',
    edits: [['recoveryBefore(config, height + 1)?.validators.hash ?? ', '']],
    options: recoveries,
  },
  {
    name: 'new-members-unknown-below-the-base',
    file: 'state.js',
    edits: [
      ['return laterMember(state.config, state.height, message.sender)?.voteKey ?? null', 'return null'],
    ],
    options: recoveries,
  },
]
