// `ssh-ng://[user@]host[:port]`: another machine's store through `nix-daemon --stdio` there. It is asked what the daemon
// of this machine would be; what it trusts is its own affair.

import type { RemoteContext } from './remote/context.ts';
import { remoteStoreDir } from './remote/context.ts';
import { explainGreeting, sshPlace } from './remote/ssh-connection.ts';
import { WorkerStore } from './remote/worker-store.ts';

/** Opens the store; parameters as in Nix. Throws `usage`, `refused`, `unavailable`, `unsupported`, `format`. */
export async function openSshNgStore(
  place: string,
  params: URLSearchParams,
  context: RemoteContext,
): Promise<WorkerStore> {
  const {
    url,
    connection,
    program,
    store: remote,
    maxSessions,
  } = sshPlace('ssh-ng', place, params, context, 'nix-daemon');
  const store = new SshNgStore(connection, {
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

class SshNgStore extends WorkerStore {
  readonly #connection: Disposable;

  constructor(connection: Disposable, options: ConstructorParameters<typeof WorkerStore>[0]) {
    super(options);
    this.#connection = connection;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    this.#connection[Symbol.dispose]();
  }
}
