// Nix's settings as Nix reads them: nix.conf of the system, of the user, and $NIX_CONFIG, in this order; later values
// win, `extra-` ones add. Only the keys that narrow needs are ever looked at; the rest is carried unread.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { NarrowError, formatError, ioError } from '../errors.ts';

/** Names that older Nix versions had for today's keys. */
const oldNames: Readonly<Record<string, string>> = {
  'binary-caches': 'substituters',
  'binary-cache-public-keys': 'trusted-public-keys',
  'trusted-binary-caches': 'trusted-substituters',
  'build-use-substitutes': 'substitute',
  'binary-caches-parallel-connections': 'http-connections',
};

/** The keys that are lists of words, for which `extra-KEY` appends. */
const listKeys = new Set([
  'substituters',
  'trusted-public-keys',
  'trusted-substituters',
  'secret-key-files',
  'trusted-users',
  'experimental-features',
]);

export interface NixSettings {
  /** The last value given, words separated by single spaces for lists. */
  get(key: string): string | undefined;
  list(key: string): string[] | undefined;
  /** `true`/`false`; throws `format` for anything else. */
  flag(key: string): boolean | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Reads the settings of this process's environment. Throws `format` with file and line, `io`. */
export function readNixSettings(env: Env = process.env): NixSettings {
  const values = new Map<string, string>();
  for (const file of settingsFiles(env)) applyFile(values, file, false, []);
  if (env['NIX_CONFIG'] !== undefined) applyText(values, env['NIX_CONFIG'], '$NIX_CONFIG', []);
  return settingsOf(values);
}

/** System file, then the users' files from least to most important. */
function settingsFiles(env: Env): string[] {
  const confDir = env['NIX_CONF_DIR'] || '/etc/nix';
  const home = env['HOME'] || homedir();
  const named = env['NIX_USER_CONF_FILES'];
  const configHome = env['XDG_CONFIG_HOME'] || join(home, '.config');
  const configDirs = (env['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':').filter(Boolean);
  const users =
    named !== undefined
      ? named.split(':').filter(Boolean)
      : [configHome, ...configDirs].map((d) => join(d, 'nix/nix.conf'));
  return [join(confDir, 'nix.conf'), ...users.reverse()];
}

function applyFile(values: Map<string, string>, file: string, must: boolean, including: readonly string[]): void {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (!must && (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES')) return;
    throw ioError('read', file, error);
  }
  if (including.includes(file)) throw new NarrowError('format', `${file} includes itself`);
  applyText(values, text, file, [...including, file]);
}

function applyText(values: Map<string, string>, text: string, source: string, including: readonly string[]): void {
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') continue;
    const words = line.split(/\s+/);
    const place = { source, line: index + 1 };
    if (words[0] === 'include' || words[0] === '!include') {
      if (words.length !== 2) throw formatError(`bad ${words[0]}`, place, { expected: 'one file name' });
      applyFile(values, resolve(dirname(source), words[1]!), words[0] === 'include', including);
      continue;
    }
    if (words[1] !== '=')
      throw formatError('bad setting', place, { expected: "'name = value'", got: `'${line.slice(0, 60)}'` });
    apply(values, words[0]!, words.slice(2).join(' '));
  }
}

function apply(values: Map<string, string>, name: string, value: string): void {
  const extra = name.startsWith('extra-');
  const bare = extra ? name.slice('extra-'.length) : name;
  const key = oldNames[bare] ?? bare;
  if (extra && listKeys.has(key)) values.set(key, `${values.get(key) ?? defaults[key] ?? ''} ${value}`.trim());
  else if (!extra) values.set(key, value);
}

/** Nix's built-in values, which `extra-` adds to. */
const defaults: Readonly<Record<string, string>> = {
  substituters: 'https://cache.nixos.org/',
  'trusted-public-keys': 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=',
};

function settingsOf(values: ReadonlyMap<string, string>): NixSettings {
  const get = (key: string): string | undefined => values.get(key) ?? defaults[key];
  return {
    get,
    list: (key) => get(key)?.split(/\s+/).filter(Boolean),
    flag(key) {
      const value = get(key);
      if (value === undefined || value === 'true' || value === 'false')
        return value === undefined ? undefined : value === 'true';
      throw new NarrowError('format', `the Nix setting ${key} should be true or false, got '${value}'`);
    },
  };
}
