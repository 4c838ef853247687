// What both kinds of ssh stores read of their URL, and how their first word goes wrong.

import { NarrowError, isNarrowError } from '../../errors.ts';
import { SshHostConnection } from '../../transport/ssh.ts';
import { splitWords } from '../../transport/ssh-words.ts';
import type { SshHost } from '../../transport/ssh-words.ts';
import type { RemoteContext } from './context.ts';

export interface SshPlace {
  readonly url: string;
  readonly scheme: 'ssh' | 'ssh-ng';
  /** Of the URL. */
  readonly params: URLSearchParams;
  readonly connection: SshHostConnection;
  /** The words of the program there. */
  readonly program: readonly string[];
  /** `--store URI`, or nothing. */
  readonly store: readonly string[];
  /** At most so many sessions. */
  readonly maxSessions: number;
}

/** sshd's default is ten sessions a connection; a few fill any line. */
const sessions = 4;

/** Reads place and parameters of an ssh URL. Throws `usage`, `refused`. */
export function sshPlace(
  scheme: SshPlace['scheme'],
  place: string,
  params: URLSearchParams,
  context: RemoteContext,
  defaultProgram: string,
): SshPlace {
  const remoteStore = params.get('remote-store') || undefined;
  const url = `${scheme}://${place}${remoteStore ? `?remote-store=${encodeURIComponent(remoteStore)}` : ''}`;
  const connection = new SshHostConnection({
    name: url,
    place,
    params,
    onLine: (line) => context.warn(`${place}: ${line}`),
    onLogin: context.onLogin,
    signal: context.signal,
  });
  const program = splitWords(params.get('remote-program') || defaultProgram, 'remote-program');
  const most = Number(params.get('max-connections')) || (connection.shared ? sessions : 1);
  const store = remoteStore ? ['--store', remoteStore] : [];
  return { url, scheme, params, connection, program, store, maxSessions: most };
}

/** Another program of the Nix that the URL names: `sudo /opt/nix/bin/nix-store` has `sudo /opt/nix/bin/nix-env` beside it. */
export function siblingProgram({ program, url }: SshPlace, name: string): string[] {
  const at = program.findLastIndex((word) => /(^|\/)nix-(store|daemon)$/.test(word));
  if (at >= 0) return [...program.slice(0, at), program[at]!.replace(/nix-(store|daemon)$/, name)];
  throw new NarrowError('unsupported', `${url}: where ${name} is beside ${program.join(' ')} is not known`, {
    hint: 'name nix-store or nix-daemon in ?remote-program=',
  });
}

/** Names the login shell where the first bytes were not the protocol's. */
export function explainGreeting(error: unknown, { host, destination }: SshHost): unknown {
  if (!isNarrowError(error, 'format') || error.data['banner'] !== true) return error;
  const line = String(error.data['got'])
    .split('\n')
    .map((l) => l.trim())
    .find(Boolean);
  const said = JSON.stringify((line ?? '').slice(0, 160));
  // what nologin prints
  if (/account is (currently )?not available/i.test(said)) {
    return new NarrowError('refused', `${destination} may not run commands: it says ${said}`, {
      cause: error,
      hint: 'log in as a user with a shell: ssh://USER@HOST',
      data: error.data,
    });
  }
  return new NarrowError('format', `the login shell of ${host} printed ${said} before the protocol began`, {
    cause: error,
    hint: `make it quiet for commands: in ${host}'s .bashrc, begin with \`case $- in *i*) ;; *) return;; esac\``,
    data: error.data,
  });
}
