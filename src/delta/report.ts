// What a path cost in a delta, and why: both sides can tell, for the account at the end of a copy.

import type { NarrowError } from '../errors.ts';

/**
 * What cost most. `same`: nothing was sent. `moved`: only names, links and files found elsewhere. `code`: changed ELF files.
 * `content`: other changed files. `compressed`: changed files that are compressed. `new`: files without a similar one. `no
 * base`: the path had none. `absent`: the sender could not read it.
 */
export type PathCause = 'same' | 'moved' | 'code' | 'content' | 'compressed' | 'new' | 'no base' | 'absent';

/** How many files of a path came from where; all 0 where the whole path is the same. */
export interface FileCounts {
  readonly equal: number;
  readonly moved: number;
  readonly similar: number;
  readonly recompressed: number;
  readonly fresh: number;
}

export interface PathReport {
  readonly name: string;
  readonly cause: PathCause;
  /** Its share of the bytes on the wire; not a whole number. */
  readonly bytes: number;
  /** Contents before compression that went into the stream of fresh contents. */
  readonly freshBytes: number;
  readonly files: FileCounts;
  /** Why it is absent, as the sender knows it. */
  readonly failure?: NarrowError | undefined;
}

type Cost = 'code' | 'content' | 'compressed' | 'new' | 'no base';

/** Fresh contents weigh this much less than columns, which hold what could not be predicted. */
const freshWeight = 0.3;

const magics: readonly { readonly cause: Cost; readonly bytes: readonly number[] }[] = [
  { cause: 'code', bytes: [0x7f, 0x45, 0x4c, 0x46] },
  { cause: 'compressed', bytes: [0x1f, 0x8b] },
  { cause: 'compressed', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { cause: 'compressed', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { cause: 'compressed', bytes: [0x42, 0x5a, 0x68] },
  { cause: 'compressed', bytes: [0x50, 0x4b, 0x03, 0x04] },
  { cause: 'compressed', bytes: [0x89, 0x50, 0x4e, 0x47] },
];

/** What kind of change a file is, by how it begins. */
function kindOf(head: Uint8Array): Cost {
  return magics.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte))?.cause ?? 'content';
}

/** Counts while a path is encoded or decoded. */
export class Tally {
  readonly name: string;
  readonly #hasBase: boolean;
  readonly #costs = new Map<Cost, number>();
  readonly files = { equal: 0, moved: 0, similar: 0, recompressed: 0, fresh: 0 };
  same = false;
  absent = false;
  failure: NarrowError | undefined;
  bytes = 0;
  freshBytes = 0;

  constructor(name: string, hasBase: boolean) {
    this.name = name;
    this.#hasBase = hasBase;
  }

  /** A file took `size` bytes of columns; it begins with `head`. */
  changed(head: Uint8Array, size: number): void {
    this.#add(kindOf(head), size);
  }

  /** `size` bytes that begin with `head` went into the stream of fresh contents. */
  fresh(head: Uint8Array, size: number): void {
    const kind = kindOf(head);
    this.#add(!this.#hasBase ? 'no base' : kind === 'compressed' ? kind : 'new', size * freshWeight);
  }

  report(): PathReport {
    const { name, bytes, freshBytes, files, failure } = this;
    return { name, cause: this.#cause(), bytes, freshBytes, files, failure };
  }

  #cause(): PathCause {
    if (this.absent) return 'absent';
    if (this.same) return 'same';
    let cause: PathCause = this.#hasBase ? 'moved' : 'no base';
    let most = 0;
    for (const [cost, size] of this.#costs) {
      if (size <= most) continue;
      cause = cost;
      most = size;
    }
    return cause;
  }

  #add(cost: Cost, size: number): void {
    this.#costs.set(cost, (this.#costs.get(cost) ?? 0) + size);
  }
}
