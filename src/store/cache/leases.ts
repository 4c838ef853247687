// Several may write to a cache while another removes what nobody needs. Who writes says first which paths it relies on (a
// lease), then looks for a collector and waits for its end; who collects says so first, then reads the leases and keeps what
// they name. One of the two always sees the other, whoever was first.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { NarrowError } from '../../errors.ts';
import { hashPart, isHashPart } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { Claim, isLive, readClaim } from './claim.ts';
import type { ReadClaim } from './claim.ts';
import type { CacheFiles, FileOptions } from './files.ts';

export const leaseDirectory = 'narrow/leases';
/** There while somebody collects. */
export const collectorMark = 'narrow/gc';
/** Milliseconds after which a collector that gives no sign of life is dead. */
export const collectorSilence: number = 5 * 60_000;
/** Milliseconds between two looks for the end of a collection: most are short. */
const firstPause = 20;
const longestPause = 1000;

export interface LeaseOptions extends FileOptions {
  readonly warn: (text: string) => void;
}

/**
 * Leases the paths until disposed, after any collector has ended. Undefined where the place takes no such file: then nothing
 * else of this kind can be written there either, or it is not collected.
 */
export async function takeLease(
  files: CacheFiles,
  paths: Iterable<StorePath>,
  options: LeaseOptions,
): Promise<Claim | undefined> {
  let claim: Claim;
  try {
    claim = await Claim.make(files, `${leaseDirectory}/${randomUUID()}`, Array.from(paths, hashPart), options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof NarrowError) return undefined;
    throw error;
  }
  try {
    await waitForCollector(files, claim, options);
    return claim;
  } catch (error) {
    await claim[Symbol.asyncDispose]();
    throw error;
  }
}

async function waitForCollector(files: CacheFiles, own: Claim, { warn, signal }: LeaseOptions): Promise<void> {
  for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
    const mark = await readClaim(files, collectorMark, { signal });
    if (!mark) return;
    await own.renew({ signal });
    const now = (await files.stat(own.reference, { signal }))?.modified ?? Date.now();
    if (!isLive(mark, now, collectorSilence)) return;
    if (pause === firstPause) warn(`${files.url} is being collected${by(mark)}: waiting for the end of that`);
    await sleep(pause, undefined, { signal });
  }
}

function by({ mark }: ReadClaim): string {
  return mark ? ` on ${mark.host} (process ${mark.pid})` : '';
}

export interface Leases {
  /** Hash parts of what running writers rely on. */
  readonly held: ReadonlySet<string>;
  /** Running writers. */
  readonly live: number;
  /** Files that the dead have left. */
  readonly dead: readonly string[];
}

/** `now` by the clock of the place; a lease that was silent for more than `silence` milliseconds is dead. */
export async function readLeases(
  files: CacheFiles,
  now: number,
  silence: number,
  options: FileOptions = {},
): Promise<Leases> {
  const held = new Set<string>();
  const dead: string[] = [];
  let live = 0;
  for await (const reference of files.list(leaseDirectory, options) ?? []) {
    const claim = await readClaim(files, reference, options);
    if (!claim) continue;
    if (!isLive(claim, now, silence)) dead.push(reference);
    else {
      live++;
      for (const part of claim.lines) if (isHashPart(part)) held.add(part);
    }
  }
  return { held, live, dead };
}
