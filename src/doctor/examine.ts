// Looks at stores for people: whether each can be reached and used, and what to change where it cannot.

import { NarrowError, isNarrowError } from '../errors.ts';
import type { StoreFacts } from '../store/facts.ts';
import { isInspectable } from '../store/facts.ts';
import { openStore } from '../store/open.ts';
import type { OpenContext } from '../store/open-context.ts';
import type { StoreUrl } from '../store/url.ts';
import { parseStoreUrl } from '../store/url.ts';
import type { Finding } from '../transfer/preflight.ts';
import { findingsOn } from '../transfer/preflight.ts';
import type { Advice } from './advice.ts';
import { adviceFor } from './advice.ts';
import type { SigningKey } from './signing-keys.ts';

export interface Diagnosis {
  /** As the store calls itself; as it was asked for when it cannot be reached. */
  readonly url: string;
  readonly storeDir?: string | undefined;
  readonly facts?: StoreFacts | undefined;
  readonly findings: readonly Finding[];
  /** What to change, in the order in which to consider it. */
  readonly advice: readonly Advice[];
  /** Milliseconds until it had answered. */
  readonly answered?: number | undefined;
}

const noNix: Finding = {
  level: 'warning',
  subject: 'reach',
  what: 'there is no store on this machine yet: no Nix has been used here',
  hint: 'install Nix, or name a store: narrow doctor ssh://HOST',
};

/** True when something should be changed or cannot work. */
export function isWrong(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === 'warning' || level === 'error');
}

/** Looks at one store. What is wrong with it is in the diagnosis; only what is wrong with the command throws (`usage`). */
export async function examineStore(
  url: string,
  context: OpenContext,
  signingKeys: readonly SigningKey[],
): Promise<Diagnosis> {
  const begun = performance.now();
  try {
    const { scheme, params } = spoken(url);
    // a cache that is not there is a mistake in its address; the others are looked at as destinations
    const mode = ['file', 'http', 'https', 's3', 'sftp'].includes(scheme) ? 'read' : 'write';
    await using store = await openStore(url, context, mode);
    const facts: StoreFacts = isInspectable(store) ? await store.inspect(context) : { kind: 'store' };
    const answered = Math.round(performance.now() - begun);
    const advice = adviceFor(store.url, facts, signingKeys);
    const [reach, ...rest] = findingsOn(facts);
    // a store that is named may well be made by the first copy; that of the machine is its Nix's
    const findings = facts.absent && params.size === 0 ? [noNix, ...rest] : [reach!, ...rest];
    return { url: store.url, storeDir: store.storeDir, facts, findings, advice, answered };
  } catch (error) {
    context.signal?.throwIfAborted();
    if (!(error instanceof NarrowError) || error.code === 'usage') throw error;
    // a place that narrow does not speak to yet may be well
    const level = error.data['unspoken'] === true ? 'untold' : 'error';
    const findings = [{ level, subject: 'reach', what: error.message, hint: hintOf(error) } as const];
    return { url, findings, advice: [] };
  }
}

/** An error of ssh tells who copies how to go on; nothing was begun here. */
function hintOf({ code, hint, data }: NarrowError): string | undefined {
  const { host, connection } = data;
  return code === 'unavailable' && connection === true ? `try it by hand: ssh ${String(host)}` : hint;
}

/** The URL, read; one of a kind that narrow does not speak yet is marked as that. */
function spoken(url: string): StoreUrl {
  try {
    return parseStoreUrl(url);
  } catch (error) {
    if (!isNarrowError(error, 'unsupported')) throw error;
    throw new NarrowError('unsupported', error.message, { hint: error.hint, data: { unspoken: true } });
  }
}
