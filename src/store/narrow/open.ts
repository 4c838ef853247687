// `ssh://HOST` with what belongs to a narrow there: where to find it, and how hard to try.

import { NarrowError } from '../../errors.ts';
import { splitWords } from '../../transport/ssh-words.ts';
import type { RemoteContext } from '../remote/context.ts';
import { openSshStore } from '../ssh.ts';
import type { SshStore } from '../ssh.ts';
import { farStore } from './far-store.ts';
import type { PaceLevel } from './pace.ts';

/** Opens the store; beside Nix's parameters there are `narrow` and `delta-level`. Throws `usage`, `refused`. */
export async function openHost(place: string, params: URLSearchParams, context: RemoteContext): Promise<SshStore> {
  const level = levelOf(params);
  const narrow = narrowThere(params);
  const stock = await openSshStore(place, params, context);
  return narrow === undefined ? stock : farStore(stock, { place: stock.place, narrow, level, warn: context.warn });
}

/** The words that start narrow there; `?narrow=no` does without, and so does whoever names the program to be used. */
function narrowThere(params: URLSearchParams): string[] | undefined {
  const named = params.get('narrow');
  if (named === null && params.has('remote-program')) return undefined;
  if (named !== null && ['', 'no', 'false', '0'].includes(named)) return undefined;
  const remoteStore = params.get('remote-store') ?? '';
  const store = remoteStore === '' ? [] : ['--store', remoteStore];
  return [...splitWords(named ?? 'narrow', 'narrow'), 'stdio', ...store];
}

/** Throws `usage` for what is no level. */
function levelOf(params: URLSearchParams): PaceLevel {
  const named = params.get('delta-level') || 'auto';
  const level = (['auto', 'fast', 'best'] as const).find((known) => known === named);
  if (level) return level;
  throw new NarrowError('usage', `delta-level=${named}: expected auto, fast or best`);
}
