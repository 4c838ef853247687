// All that is fuzzed, and single cases of it by their number: the same number is the same case.

import { bundleSubject } from './bundles.ts';
import { codecSubjects } from './codec.ts';
import { memberSubjects } from './members.ts';
import { Random } from './random.ts';
import { streamSubjects } from './streams.ts';
import type { Subject } from './subject.ts';
import { tableSubjects } from './tables.ts';

export interface CaseResult {
  readonly subject: string;
  readonly taken: boolean;
}

export class Fuzzer {
  /** Each as often as its weight. */
  readonly #draws: readonly Subject[];

  private constructor(subjects: readonly Subject[]) {
    this.#draws = subjects.flatMap((subject) => Array.from({ length: subject.weight }, () => subject));
  }

  /** Makes what cases are edited from. */
  static async start(): Promise<Fuzzer> {
    return new Fuzzer([
      ...(await streamSubjects()),
      ...codecSubjects(),
      ...memberSubjects(),
      ...(await tableSubjects()),
      await bundleSubject(),
    ]);
  }

  subjects(): readonly Subject[] {
    return [...new Set(this.#draws)];
  }

  /** Runs the case with this number. Throws what is a bug, with the number. */
  async run(number: number): Promise<CaseResult> {
    const random = new Random(number);
    const subject = random.pick(this.#draws);
    try {
      return { subject: subject.name, taken: await subject.run(random) };
    } catch (cause) {
      throw new Error(`case ${number} of ${subject.name}: ${String(cause)}`, { cause });
    }
  }
}
