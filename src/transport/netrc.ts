// netrc files, as libcurl reads them: `machine HOST login NAME password SECRET`, `default` last; words may be quoted.

import { formatError } from '../errors.ts';

export interface Credentials {
  readonly login: string;
  readonly password: string;
}

interface Entry extends Credentials {
  /** undefined: `default`, for every host. */
  readonly machine: string | undefined;
}

/** The logins of a netrc file, by host name (without port). */
export class Netrc {
  readonly #entries: readonly Entry[];

  constructor(entries: readonly Entry[] = []) {
    this.#entries = entries;
  }

  /** The first entry for `host`, or else the default one. */
  find(host: string): Credentials | undefined {
    const name = host.toLowerCase();
    return this.#entries.find((entry) => entry.machine === undefined || entry.machine.toLowerCase() === name);
  }
}

/** Reads a netrc file's text; errors name `source` and the line, never a secret. Throws `format`. */
export function parseNetrc(text: string, source?: string): Netrc {
  const entries: { machine: string | undefined; login: string; password: string }[] = [];
  const words = [...wordsOf(text, source)];
  for (let at = 0; at < words.length; at++) {
    const { word, line } = words[at]!;
    const value = (): string => {
      const next = words[++at];
      if (next) return next.word;
      throw formatError('bad netrc file', { source, line }, { expected: `a word after '${word}'`, got: 'the end' });
    };
    const entry = entries.at(-1);
    if (word === 'machine') entries.push({ machine: value(), login: '', password: '' });
    else if (word === 'default') entries.push({ machine: undefined, login: '', password: '' });
    else if (word === 'login' && entry) entry.login = value();
    else if (word === 'password' && entry) entry.password = value();
    else if (word === 'account') value();
    // anything else is skipped, as libcurl does
  }
  return new Netrc(entries);
}

interface Word {
  readonly word: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Words of all lines; comments and macro definitions (`macdef`, up to an empty line) are left out. */
function* wordsOf(text: string, source: string | undefined): Generator<Word> {
  let inMacro = false;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (inMacro) {
      inMacro = line.trim() !== '';
      continue;
    }
    for (const [all, quoted, plain] of line.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)) {
      if (all.startsWith('#')) break;
      if (plain === 'macdef') {
        inMacro = true;
        break;
      }
      if (plain?.startsWith('"'))
        throw formatError('bad netrc file', { source, line: index + 1 }, { expected: 'a closing quote' });
      yield { word: plain ?? quoted!.replace(/\\(.)/g, (_, c: string) => escapes[c] ?? c), line: index + 1 };
    }
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
