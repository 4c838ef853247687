// The machine of an ssh store, to start programs on beside the one that serves it.

import { dirname } from 'node:path';
import type { Command } from '../../transport/command.ts';
import type { SshHostConnection } from '../../transport/ssh.ts';
import type { Machine, MachineAddress, MachineCommandOptions } from '../machine.ts';
import type { SshPlace } from './ssh-connection.ts';

/** Parameters that hold for whoever opens the store. */
const common = ['remote-store', 'remote-program', 'compress', 'store'];
const own = ['ssh-key', 'base64-ssh-public-host-key'];

/** The machine behind an ssh URL; undefined for `localhost`, which Nix takes for this one. */
export function sshMachine(place: SshPlace): Machine | undefined {
  return place.connection.here ? undefined : new SshMachine(place);
}

class SshMachine implements Machine {
  readonly name: string;
  readonly scheme: 'ssh' | 'ssh-ng';
  readonly parameters: ReadonlyMap<string, string>;
  readonly bound: readonly string[];
  readonly programs: string;
  readonly #connection: SshHostConnection;

  constructor({ scheme, params, connection, program }: SshPlace) {
    const { host, port } = connection.host;
    this.name = port === undefined ? host : `${host}:${port}`;
    this.scheme = scheme;
    this.parameters = new Map(common.flatMap((key) => (params.get(key) ? [[key, params.get(key)!]] : [])));
    this.bound = own.filter((key) => params.get(key));
    const last = program.at(-1) ?? '';
    this.programs = last.startsWith('/') ? dirname(last) : '';
    this.#connection = connection;
  }

  addresses(): readonly MachineAddress[] {
    const typed = this.#connection.host;
    const { user, host = typed.host, port = '22' } = this.#connection.resolve();
    const at = (name: string): string => (user === undefined ? name : `${user}@${name}`);
    const first = { destination: at(typed.host), port: typed.port };
    const same = host === typed.host && port === (typed.port ?? '22');
    return same ? [first] : [first, { destination: at(host), port }];
  }

  start(words: readonly string[], options: MachineCommandOptions = {}): Command {
    const connection = options.forwardAgent ? this.#connection.withAgent() : this.#connection;
    return connection.command(words, options);
  }
}
