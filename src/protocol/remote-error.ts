// What another Nix says went wrong, as an error of ours: colours off, its "error:" off, its kind guessed from its words.

import type { ErrorCode } from '../errors.ts';
import { NarrowError } from '../errors.ts';

// oxlint-disable-next-line no-control-regex
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]/g;

/** Text of another machine without escape sequences, which could rewrite the terminal, and other control characters. */
export function plainText(text: string): string {
  return text.replace(escapes, '');
}

/** A message as Nix prints it, on one line where it is one sentence. */
export function cleanMessage(text: string): string {
  return plainText(text)
    .trim()
    .replace(/^(?:error: ?)+/i, '')
    .replace(/\n[ \t]*\n+/g, '\n')
    .replace(/\n[ \t]{2,}/g, ' ')
    .trim();
}

/** First match tells what kind of failure it is. */
const kinds: readonly (readonly [RegExp, ErrorCode, string?])[] = [
  [
    /lacks a (valid )?signature|lacks a signature by/i,
    'refused',
    'sign the path with a key in the trusted-public-keys there, or connect as one of its trusted-users',
  ],
  [/is not allowed to connect|not privileged|operation not permitted|is not trusted|not allowed/i, 'refused'],
  [
    /no space left on device|disk quota exceeded/i,
    'io',
    'free some space there and run the same command again; what is done already is kept',
  ],
  [/read-only file system|permission denied|database is read-only/i, 'io'],
  [/hash mismatch|size mismatch|not what was promised/i, 'integrity'],
  [/is not valid|does not exist|no such path/i, 'missing'],
];

/** The failure that `who` reports in its own words. */
export function remoteError(who: string, message: string, data: Readonly<Record<string, unknown>> = {}): NarrowError {
  const clean = cleanMessage(message) || 'it failed without a word';
  const [, code, hint] = kinds.find(([pattern]) => pattern.test(clean)) ?? [undefined, 'refused' as const];
  return new NarrowError(code, `${who}: ${clean}`, { hint, data: { ...data, remote: clean } });
}
