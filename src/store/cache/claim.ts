// A file in a cache that stands for a running process and is written again every minute: what is silent for long is dead. On the
// machine of a process that has ended it counts as dead at once. Times are those of the place's own clock.
// docs/formats/cache-roots.md describes the files.

import type { ProcessMark } from '../../fs/process-mark.ts';
import { hasEnded, ownMark } from '../../fs/process-mark.ts';
import type { CacheFiles, FileOptions } from './files.ts';
import { mediaTypes } from './files.ts';

/** Milliseconds between two signs of life. */
const renewal = 60_000;
/** Milliseconds without one (this machine slept) after which others may have taken the claim for dead. */
const longestSilence = 15 * 60_000;
/** Room for the hash parts of a million paths. */
const maxClaim = 64 * 2 ** 20;

export class Claim implements AsyncDisposable {
  readonly reference: string;
  readonly #files: CacheFiles;
  readonly #bytes: Uint8Array;
  readonly #timer: NodeJS.Timeout;
  #renewed = Date.now();
  #pending: Promise<void> = Promise.resolve();

  private constructor(files: CacheFiles, reference: string, bytes: Uint8Array) {
    this.#files = files;
    this.reference = reference;
    this.#bytes = bytes;
    this.#timer = setInterval(() => {
      this.#pending = this.renew().catch(() => {});
    }, renewal);
    this.#timer.unref();
  }

  /** Writes the file, `lines` behind who we are. Throws what writing throws. */
  static async make(
    files: CacheFiles,
    reference: string,
    lines: readonly string[],
    options: FileOptions = {},
  ): Promise<Claim> {
    const bytes = bytesOf(lines);
    await files.write(reference, bytes, mediaTypes.text, options);
    return new Claim(files, reference, bytes);
  }

  /** The same unless there is such a file: then undefined. */
  static async makeNew(files: CacheFiles, reference: string, options: FileOptions = {}): Promise<Claim | undefined> {
    const bytes = bytesOf([]);
    const made = await files.create(reference, bytes, mediaTypes.text, options);
    return made ? new Claim(files, reference, bytes) : undefined;
  }

  /** A sign of life. */
  async renew(options: FileOptions = {}): Promise<void> {
    await this.#files.write(this.reference, this.#bytes, mediaTypes.text, options);
    this.#renewed = Date.now();
  }

  /** The process was stopped for so long that others may have gone on without it. */
  get lost(): boolean {
    return Date.now() - this.#renewed > longestSilence;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#pending;
    // another may have taken its place
    if (this.lost) return;
    // where nothing can be removed it ends by growing old
    await this.#files.remove(this.reference).catch(() => {});
  }
}

function bytesOf(lines: readonly string[]): Uint8Array {
  return Buffer.from([JSON.stringify(ownMark()), ...lines, ''].join('\n'));
}

export interface ReadClaim {
  readonly reference: string;
  readonly mark: ProcessMark | undefined;
  readonly lines: readonly string[];
  readonly modified: number | undefined;
}

export async function readClaim(
  files: CacheFiles,
  reference: string,
  options: FileOptions = {},
): Promise<ReadClaim | undefined> {
  const bytes = await files.read(reference, maxClaim, options);
  if (!bytes) return undefined;
  const [first = '', ...lines] = bytes.toString('utf8').split('\n');
  const found = await files.stat(reference, options);
  return {
    reference,
    mark: markOf(first),
    lines: lines.filter((line) => line !== ''),
    modified: found?.modified,
  };
}

/** `now` by the clock of the place; `silence` in milliseconds. A claim of unknown age lives. */
export function isLive({ mark, modified }: ReadClaim, now: number, silence: number): boolean {
  if (mark && hasEnded(mark)) return false;
  return modified === undefined || now - modified <= silence;
}

function markOf(line: string): ProcessMark | undefined {
  try {
    const { host, pid, space } = JSON.parse(line) as Partial<ProcessMark>;
    if (typeof host !== 'string' || typeof pid !== 'number' || typeof space !== 'string') return undefined;
    return Number.isInteger(pid) && pid > 0 ? { host, pid, space } : undefined;
  } catch {
    return undefined;
  }
}
