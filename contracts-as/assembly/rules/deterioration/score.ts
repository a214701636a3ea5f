// NEWS2 of a set of parameters: pure, integers only, no host calls. A missing parameter makes the set
// incomplete; it never counts as 0.
import { Parameter, PARAMETERS, pointsOf } from '../shared/news2-points'

/** Stands for a parameter that is not known, and for points that cannot be given. */
export const ABSENT: i32 = i32.MIN_VALUE

export class Score {
  points: StaticArray<i32> = new StaticArray<i32>(PARAMETERS)
  /** Sum of the points that are known: the score of a complete set, else what it is at least. */
  total: i32 = 0
  /** A single parameter scores 3. */
  isRed: bool = false
  isComplete: bool = true

  /** low, low-medium, medium, high; incomplete when a parameter is missing. */
  get risk(): string {
    if (!this.isComplete) return 'incomplete'
    if (this.total >= 7) return 'high'
    if (this.total >= 5) return 'medium'
    return this.isRed ? 'low-medium' : 'low'
  }
}

/**
 * `values` by parameter: whole units, tenths of a degree, ACVPU letter, 1 or 0 for oxygen; ABSENT when
 * missing.
 */
export function scoreOf(values: StaticArray<i32>, isScale2: bool): Score {
  const score = new Score()
  const oxygen = unchecked(values[Parameter.Oxygen])
  for (let parameter = 0; parameter < PARAMETERS; parameter++) {
    const value = unchecked(values[parameter])
    if (value == ABSENT || needsOxygen(parameter, value, isScale2, oxygen)) {
      unchecked((score.points[parameter] = ABSENT))
      score.isComplete = false
      continue
    }
    const points = pointsOf(parameter, value, isScale2, oxygen > 0)
    unchecked((score.points[parameter] = points))
    score.total += points
    if (points == 3) score.isRed = true
  }
  return score
}

/**
 * On scale 2 a high saturation scores 0 on air and up to 3 on oxygen: without knowing which, it has no
 * points.
 */
function needsOxygen(parameter: i32, value: i32, isScale2: bool, oxygen: i32): bool {
  return parameter == Parameter.Saturation && isScale2 && oxygen == ABSENT && value > 92
}
