// What a command says when it cannot do what was asked: a code, a sentence, and an exit status that
// scripts can read.

/** Exit statuses of `ward`: 0 done, 1 refused, 2 wrong use, 3 no node answers, 4 a fault of ours. */
export const exitStatus = { done: 0, refused: 1, usage: 2, unreachable: 3, fault: 4 } as const

export class CommandError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number = exitStatus.refused,
  ) {
    super(message)
  }
}
