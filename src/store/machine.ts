// The machine that a store is on, where that is another one: programs can be started there, beside the one that serves the
// store, and other machines can be told how to reach it.

import type { Store } from './store.ts';

/** How another machine may reach a machine by ssh. */
export interface MachineAddress {
  /** `user@host`. */
  readonly destination: string;
  /** Undefined: what the other machine's own ssh says. */
  readonly port: string | undefined;
}

export interface MachineCommandOptions {
  /** Lines of its standard error as they come. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Lend it this user's ssh agent. */
  readonly forwardAgent?: boolean | undefined;
}

export interface MachineCommandEnd {
  /** Undefined when it was killed or could not be started; 255 when ssh failed. */
  readonly status: number | undefined;
  /** Lines of its standard output. */
  readonly output: readonly string[];
  /** The last lines of its standard error. */
  readonly errors: readonly string[];
}

/** Disposing of it closes its standard input, and waits for it. */
export interface MachineCommand extends AsyncDisposable {
  readonly end: Promise<MachineCommandEnd>;
  firstLine(): Promise<string | undefined>;
}

export interface Machine {
  /** The host, as the URL has it. */
  readonly name: string;
  /** What serves the store there. */
  readonly scheme: 'ssh' | 'ssh-ng';
  /** Parameters of the URL that hold for whoever opens the store: `remote-store`, `remote-program` … */
  readonly parameters: ReadonlyMap<string, string>;
  /** What only this machine has and reaching it needs: `ssh-key`, `base64-ssh-public-host-key`. */
  readonly bound: readonly string[];
  /** Where else than on the PATH its Nix is; empty when that is not said. */
  readonly programs: string;
  /** As the URL says it, and as this machine's ssh configuration has it. */
  addresses(): readonly MachineAddress[];
  /** Starts a program there, its words quoted for any login shell. */
  start(words: readonly string[], options?: MachineCommandOptions): MachineCommand;
}

export interface HostedStore extends Store {
  /** Undefined when it is this machine after all. */
  readonly machine: Machine | undefined;
}

/** The machine of a store on another one. */
export function machineOf(store: Store): Machine | undefined {
  return 'machine' in store ? (store as HostedStore).machine : undefined;
}
