import { type Verdict } from './run.js';
/** Twin 0..3 x partition of each round. */
export declare const twinScenarioCount: number;
/** Runs scenario `number` (0 to `twinScenarioCount - 1`): the number alone decides everything. */
export declare function runTwinScenario(number: number, trace: ((line: string) => void) | null): Verdict;
