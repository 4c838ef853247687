// The lines of nix.conf and of configuration.nix that a machine lacks, least dangerous first: a key that only signs, and last
// of all a trusted user, who can do there whatever root can.

import { hostname, userInfo } from 'node:os';
import type { StoreFacts } from '../store/facts.ts';
import type { SigningKey } from './signing-keys.ts';

export interface Advice {
  /** What it is for. */
  readonly why: string;
  /** Where the lines belong: `this machine`, or a host. */
  readonly where: string;
  /** To be run before, on this machine. */
  readonly command?: string | undefined;
  /** Lines of nix.conf. */
  readonly nixConf: readonly string[];
  /** The same in configuration.nix. */
  readonly nixos: readonly string[];
}

/** What to change so that paths built here are taken by the store at `url`; empty where they are. */
export function adviceFor(url: string, facts: StoreFacts, keys: readonly SigningKey[]): Advice[] {
  const { trust, signatures } = facts;
  const known = signatures?.trustedKeys ?? [];
  if (trust === 'trusted' || signatures?.required === false) return [];
  if (trust === undefined && (!signatures || known.length > 0)) return [];
  if (keys.some((key) => known.includes(key.name))) return [];
  const host = /^ssh(?:-ng)?:\/\/(?:([^@/?]+)@)?([^/?]+)/.exec(url);
  const where = host ? host[2]! : 'this machine';
  const signed = keys.length > 0 ? [trustKey(where, keys)] : [makeKey(where)];
  return trust === undefined ? signed : [...signed, trustUser(where, host?.[1] ?? userInfo().username)];
}

function trustKey(where: string, keys: readonly SigningKey[]): Advice {
  const publicKeys = keys.map((key) => key.publicKey);
  return {
    why: 'trust what is signed here, if these lines are not there yet',
    where,
    nixConf: [`extra-trusted-public-keys = ${publicKeys.join(' ')}`],
    nixos: [`nix.settings.trusted-public-keys = [ ${publicKeys.map((key) => `"${key}"`).join(' ')} ];`],
  };
}

/** The key's own line cannot be known before the key is: the command prints it. */
function makeKey(where: string): Advice {
  const name = `${hostname().replace(/[^A-Za-z0-9.-]/g, '-')}-1`;
  const file = `/etc/nix/${name}.sec`;
  return {
    why: `sign what is built here; the command prints the line with which ${where} trusts it`,
    where: 'this machine',
    command: `narrow key generate ${name} --out ${file}`,
    nixConf: [`secret-key-files = ${file}`],
    nixos: [`nix.settings.secret-key-files = [ "${file}" ];`],
  };
}

function trustUser(where: string, user: string): Advice {
  return {
    why: `only if a key will not do: trust the user, which equals root (whoever is ${user} can then do anything there)`,
    where,
    nixConf: [`extra-trusted-users = ${user}`],
    nixos: [`nix.settings.trusted-users = [ "${user}" ];`],
  };
}
