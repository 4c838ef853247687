// Words of command lines, as ssh needs them: hosts out of URLs, options out of NIX_SSHOPTS, and commands that any login
// shell on the other side reads as the words they are.

import { NarrowError } from '../errors.ts';

/** `[user@]host[:port]`. */
export interface SshHost {
  /** As ssh takes it: with the user, without the port. */
  readonly destination: string;
  readonly host: string;
  readonly port: string | undefined;
}

const authority = /^(?:([^@/]+)@)?(\[[0-9A-Fa-f:.%a-z]+\]|[^:/@[\]]+)(?::(\d{1,5}))?\/?$/;

function decode(escapes: string): string {
  return String.fromCharCode(Number.parseInt(escapes.slice(1), 16));
}

/** Reads what stands behind `ssh://`. Throws `usage`; what ssh would take for an option is `refused`. */
export function parseSshHost(text: string): SshHost {
  // the percent sign of a scope (fe80::1%eth0) is no escape
  const decoded = text.replace(/%[0-9a-fA-F]{2}/g, decode);
  if (decoded.startsWith('-') || decoded.includes('@-')) {
    throw new NarrowError(
      'refused',
      `ssh host '${decoded.slice(0, 100)}' begins with '-': ssh would take it for an option`,
    );
  }
  const match = authority.exec(decoded);
  if (!match || /[\s\x00-\x1f\x7f]/.test(decoded)) {
    throw new NarrowError('usage', `'${decoded.slice(0, 100)}' names no ssh host: expected [user@]host[:port]`);
  }
  const [, user, bracketed, port] = match;
  const host = bracketed!.replace(/^\[|\]$/g, '');
  return { destination: user === undefined ? host : `${user}@${host}`, host, port };
}

/**
 * Splits like NIX_SSHOPTS of current Nix: blanks separate, quotes and backslashes work as in a shell, nothing is expanded.
 * Throws `usage` for a quote that is not closed.
 */
export function splitWords(text: string, name: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  const add = (c: string): void => void (word = (word ?? '') + c);
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (/[ \t\r\n]/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === '\\') {
      if (++i === text.length) throw unfinished(name, 'a backslash');
      add(text[i]!);
    } else if (c === "'" || c === '"') {
      const end = closing(text, i, name);
      add(c === "'" ? text.slice(i + 1, end) : text.slice(i + 1, end).replace(/\\(["\\$`])/g, '$1'));
      i = end;
    } else add(c);
  }
  if (word !== undefined) words.push(word);
  return words;
}

function closing(text: string, start: number, name: string): number {
  const quote = text[start]!;
  for (let i = start + 1; i < text.length; i++) {
    if (quote === '"' && text[i] === '\\') i++;
    else if (text[i] === quote) return i;
  }
  throw unfinished(name, quote === "'" ? 'a single quote' : 'a double quote');
}

function unfinished(name: string, what: string): NarrowError {
  return new NarrowError('usage', `${name} ends within ${what}`);
}

/**
 * A word for the login shell over there, whichever it is: sh, fish and csh agree only on a backslash before each special
 * character. Throws `usage` for control characters, for which they have no common way.
 */
export function quoteWord(word: string): string {
  if (/[\x00-\x1f\x7f]/.test(word))
    throw new NarrowError('usage', `'${JSON.stringify(word)}' cannot be passed on to another host's shell`);
  if (word === '') return "''";
  return word.replace(/[^A-Za-z0-9_\-./:,@%+\u0080-\uffff]/gu, '\\$&');
}
