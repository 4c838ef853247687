// What is fuzzed: something that reads what a stranger wrote.

import { NarrowError } from '../../../src/errors.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import type { Random } from './random.ts';

export interface Subject {
  readonly name: string;
  /** Of how many cases this has its share. */
  readonly weight: number;
  /** Makes one case from random numbers and reads it. True when it was taken, false when it was refused; throws what is a bug. */
  run(random: Random): Promise<boolean> | boolean;
}

/** How a reader may refuse input. */
const refusals: ReadonlySet<ErrorCode> = new Set(['format', 'integrity', 'unsupported', 'unavailable']);

/** True for an error that says what is wrong with the input; throws every other one. */
export function isRefusal(error: unknown): true {
  if (error instanceof NarrowError && refusals.has(error.code) && error.message.length < 3000) return true;
  throw error;
}

/** Throws what is a bug: a reader that made more than was announced, or took what it must not. */
export function expectThat(fact: boolean, what: string): void {
  if (!fact) throw new Error(what);
}
