// `ssh-ng://[user@]host[:port]`: another machine's store through `nix-daemon --stdio` there. It is asked what the daemon
// of this machine would be; what it trusts is its own affair.

import type { StoreDir, StorePath } from '../model/store-path.ts';
import { parseStorePath, printStorePath } from '../model/store-path.ts';
import type { InspectOptions, StoreFacts } from './facts.ts';
import type { HostedStore, Machine } from './machine.ts';
import type { RemoteContext } from './remote/context.ts';
import { remoteStoreDir } from './remote/context.ts';
import type { HostFacts } from './remote/host-facts.ts';
import { hostFacts, worthAskingHost } from './remote/host-facts.ts';
import { RemoteRoots } from './remote/remote-roots.ts';
import type { SshPlace } from './remote/ssh-connection.ts';
import { explainGreeting, siblingProgram, sshPlace } from './remote/ssh-connection.ts';
import { sshMachine } from './remote/ssh-machine.ts';
import type { WorkerStoreOptions } from './remote/worker-store.ts';
import { WorkerStore } from './remote/worker-store.ts';
import type { RootedStore } from './store.ts';

/** Opens the store; parameters as in Nix. Throws `usage`, `refused`. The host is reached at the first question. */
export async function openSshNgStore(
  place: string,
  params: URLSearchParams,
  context: RemoteContext,
): Promise<SshNgStore> {
  const there = sshPlace('ssh-ng', place, params, context, 'nix-daemon');
  const { url, connection, program, store: remote, maxSessions } = there;
  return new SshNgStore(there, {
    url,
    storeDir: remoteStoreDir(params),
    abilities: { ranges: false, encodings: false, trusted: false, priority: 20 },
    context,
    connect: async () => connection.start([...program, ...remote, '--stdio']),
    explain: (error) => explainGreeting(error, connection.host),
    closure: (roots) => closureThere(there, remoteStoreDir(params), roots),
    maxLanes: maxSessions,
    shareLane: true,
    requireSignatures: undefined,
    assumedTrust: 'unknown',
  });
}

/** Nix's own program tells closures beside the daemon, in one question. */
async function closureThere(
  place: SshPlace,
  storeDir: StoreDir,
  roots: readonly StorePath[],
): Promise<readonly StorePath[]> {
  const words = ['--query', '--requisites', ...roots.map((root) => printStorePath(storeDir, root))];
  const said = await place.connection.runBeside([...siblingProgram(place, 'nix-store'), ...place.store, ...words]);
  return said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseStorePath(storeDir, line));
}

export class SshNgStore extends WorkerStore implements HostedStore, RootedStore {
  readonly machine: Machine | undefined;
  readonly #place: SshPlace;
  #host: Promise<HostFacts> | undefined;
  readonly #roots: RemoteRoots;

  constructor(place: SshPlace, options: WorkerStoreOptions) {
    super(options);
    this.#place = place;
    this.machine = sshMachine(place);
    this.#roots = new RemoteRoots(place, options.storeDir);
  }

  /** What the daemon does not tell, the machine does: two round trips more, where paths would be refused half-way. */
  override async inspect(options: InspectOptions = {}): Promise<StoreFacts> {
    const told = await super.inspect(options);
    const { copy } = options;
    const doubtful = copy && copy.unsigned > 0 && (copy.checkSignatures || !this.#believed(told.trust));
    if (!doubtful && !worthAskingHost(options)) return told;
    const { trust = told.trust, ...there } = await (this.#host ??= hostFacts(this.#place, this.storeDir));
    return { ...told, ...there, trust: told.trust === 'unknown' ? trust : told.trust };
  }

  /** Root's daemon opens the store itself, and trusts it. */
  #believed(trust: StoreFacts['trust']): boolean {
    return trust === 'trusted' || (trust === 'unknown' && this.#place.connection.resolve().user === 'root');
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
    this.#place.connection[Symbol.dispose]();
  }
}
