// Trying again: the one place that decides whether, how often and after what pause. As current Nix does it.

import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** Tries in all. */
  readonly attempts: number;
  /** Milliseconds before the second try; doubled before each further one, up to `maxDelay`. */
  readonly delay: number;
  /** The same where the server said that it was asked too much (429, 503). */
  readonly rateLimitedDelay: number;
  readonly maxDelay: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, delay: 100, rateLimitedDelay: 5000, maxDelay: 60_000 };

/** Why something failed that may work the next time. */
export interface Transient {
  readonly rateLimited?: boolean | undefined;
  /** What the server asked for, in milliseconds: the least pause. */
  readonly retryAfter?: number | undefined;
}

/** Milliseconds to wait after try number `attempt` (from 1) failed; `random` in [0, 1) spreads many clients out. */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  { rateLimited = false, retryAfter = 0 }: Transient,
  random: number = Math.random(),
): number {
  const base = rateLimited ? policy.rateLimitedDelay : policy.delay;
  const ceiling = Math.min(base * 2 ** (attempt - 1), policy.maxDelay);
  // half of it for sure, so that a pause is one
  return Math.max((ceiling / 2) * (1 + random), Math.min(retryAfter, policy.maxDelay));
}

/** Waits; an aborted signal ends the pause with its reason. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** `Retry-After` in milliseconds: seconds, or a date. */
export function parseRetryAfter(text: string | undefined, now: number = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
