// Spans of time and sizes as people type them.

import { NarrowError } from '../errors.ts';

const spans: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

/** `14d`, `12h`, `30m` … in milliseconds. Throws `usage`. */
export function parseSpan(option: string, text: string): number {
  const [, number, unit] = /^([0-9]{1,6})([smhdwy])$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * spans[unit!]!;
  throw new NarrowError('usage', `bad ${option} '${text}'`, { hint: 'for example 30m, 12h, 14d, 8w, 1y' });
}

const powers = ['', 'K', 'M', 'G', 'T', 'P'];

/** `50G` (decimal, as disks are sold), `50Gi`; a `B` may follow. In bytes. Throws `usage`. */
export function parseSize(option: string, text: string): number {
  const [, number, unit = '', binary] = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)([KMGTP]?)(i?)B?$/i.exec(text) ?? [];
  if (number === undefined)
    throw new NarrowError('usage', `bad ${option} '${text}'`, { hint: 'for example 500M, 50G, 1.5T, 50GiB' });
  return Math.round(Number(number) * (binary ? 1024 : 1000) ** powers.indexOf(unit.toUpperCase()));
}

/** A whole number. Throws `usage`. */
export function parseCount(option: string, text: string, least: number): number {
  if (/^[0-9]{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new NarrowError('usage', `bad ${option} '${text}'`, { hint: `a whole number, at least ${least}` });
}
