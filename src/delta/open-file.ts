// Compressed files of a fresh tree, opened as far as the receiver can pack them again.

import type { Level } from './codec/file.ts';
import { contentsLimit, memberLimit } from './layout.ts';
import type { TreeFiles } from './files.ts';
import { giveBack, makeRoom } from './give-back.ts';
import { memberKind, openMember } from './recompress/member.ts';
import type { MemberKind, Opened } from './recompress/member.ts';

/** Packing again is tried for files of at most so many bytes: at `fast` not for what packs at a few MB/s. */
const limits: Readonly<Record<Level, Readonly<Record<MemberKind, number>>>> = {
  fast: { gzip: memberLimit, xz: 0, zstd: memberLimit },
  best: { gzip: memberLimit, xz: memberLimit, zstd: memberLimit },
};

export class FileOpener {
  readonly #fresh: TreeFiles;
  readonly #level: Level;
  readonly #tools: ReadonlySet<string>;
  /** Contents that may still be opened. */
  #left: number;

  constructor(fresh: TreeFiles, level: Level, tools: ReadonlySet<string> = new Set()) {
    this.#fresh = fresh;
    this.#level = level;
    this.#tools = tools;
    this.#left = contentsLimit(fresh.index.reduce((sum, { size }) => sum + size, 0));
  }

  /** What is in a file, if it is compressed and can be packed again. */
  open(entry: number): Opened | undefined {
    const { size } = this.#fresh.index[entry]!;
    if (this.#tools.size === 0 || size > memberLimit) return undefined;
    const kind = memberKind(this.#fresh.head(entry));
    if (kind === undefined || size > limits[this.#level][kind]) return undefined;
    const limit = Math.min(memberLimit, this.#left);
    // what is in it takes as much again, or more
    makeRoom(2 * size);
    const bytes = this.#fresh.file(entry).read(0, size);
    const opened = openMember(bytes, { tools: this.#tools, limit });
    giveBack(bytes);
    this.#left -= opened?.contents.length ?? 0;
    return opened;
  }
}
