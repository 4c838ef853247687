// `ssh-ng://[user@]host[:port]`: another machine's store through `nix-daemon --stdio` there. It is asked what the daemon
// of this machine would be; what it trusts is its own affair.

import type { StorePath } from '../model/store-path.ts';
import type { HostedStore, Machine } from './machine.ts';
import type { RemoteContext } from './remote/context.ts';
import { remoteStoreDir } from './remote/context.ts';
import { RemoteRoots } from './remote/remote-roots.ts';
import type { SshPlace } from './remote/ssh-connection.ts';
import { explainGreeting, sshPlace } from './remote/ssh-connection.ts';
import { sshMachine } from './remote/ssh-machine.ts';
import type { WorkerStoreOptions } from './remote/worker-store.ts';
import { WorkerStore } from './remote/worker-store.ts';
import type { RootedStore } from './store.ts';

/** Opens the store; parameters as in Nix. Throws `usage`, `refused`, `unavailable`, `unsupported`, `format`. */
export async function openSshNgStore(
  place: string,
  params: URLSearchParams,
  context: RemoteContext,
): Promise<SshNgStore> {
  const there = sshPlace('ssh-ng', place, params, context, 'nix-daemon');
  const { url, connection, program, store: remote, maxSessions } = there;
  const store = new SshNgStore(there, {
    url,
    storeDir: remoteStoreDir(params),
    abilities: { ranges: false, encodings: false, trusted: false, priority: 20 },
    context,
    connect: async () => connection.start([...program, ...remote, '--stdio']),
    maxLanes: maxSessions,
    shareLane: true,
    requireSignatures: undefined,
    assumedTrust: 'unknown',
  });
  try {
    return await store.connected();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw explainGreeting(error, connection.host);
  }
}

export class SshNgStore extends WorkerStore implements HostedStore, RootedStore {
  readonly machine: Machine | undefined;
  readonly #connection: Disposable;
  readonly #roots: RemoteRoots;

  constructor(place: SshPlace, options: WorkerStoreOptions) {
    super(options);
    this.#connection = place.connection;
    this.machine = sshMachine(place);
    this.#roots = new RemoteRoots(place, options.storeDir);
  }

  expectRoot(link: string, path?: StorePath): void {
    this.#roots.expect(link, path);
  }

  addRoot(link: string, path: StorePath): Promise<void> {
    return this.#roots.addRoot(link, path);
  }

  async setProfile(profile: string, path: StorePath): Promise<undefined> {
    await this.#roots.setProfile(profile, path);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#connection[Symbol.dispose]();
  }
}
