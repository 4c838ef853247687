// `daemon`, `unix:///path`: this machine's store through its daemon. The daemon checks what it is given against its own
// trusted keys, which are this machine's, so that what it would refuse is known before a byte moves.

import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { NarrowError } from '../errors.ts';
import { freeSpace } from '../fs/space.ts';
import type { StorePath } from '../model/store-path.ts';
import type { Trust } from '../protocol/worker/handshake.ts';
import { workerOperations as ops } from '../protocol/worker/operations.ts';
import { connectUnix } from '../transport/unix-socket.ts';
import type { StoreFacts } from './facts.ts';
import { expectLinkable, makeRoot } from './local/links.ts';
import { setGeneration } from './local/profile.ts';
import type { RemoteContext } from './remote/context.ts';
import { remoteStoreDir } from './remote/context.ts';
import { WorkerStore } from './remote/worker-store.ts';
import type { RootedStore } from './store.ts';

/** A daemon forks a process for each connection; reading NARs is most of what they do. */
const lanes = 4;

const startHint = "start it (systemctl start nix-daemon.socket); where Nix has none, the store is 'local'";

/** Where the daemon of this machine listens, as Nix finds it. */
export function daemonSocket(env: NodeJS.ProcessEnv = process.env): string {
  return env['NIX_DAEMON_SOCKET_PATH'] || join(stateDir(env), 'daemon-socket/socket');
}

function stateDir(env: NodeJS.ProcessEnv): string {
  return env['NIX_STATE_DIR'] || '/nix/var/nix';
}

/**
 * Opens the store behind a daemon's socket. `params` are those of the URL: `path` (of the socket, also what follows
 * `unix://`), `store`, `max-connections`, `require-sigs`. Throws `unavailable`, `refused`.
 */
export async function openDaemonStore(params: URLSearchParams, context: RemoteContext): Promise<DaemonStore> {
  const named = params.get('path');
  const socket = named ? resolve(named) : daemonSocket();
  const url = named ? `unix://${socket}` : 'daemon';
  const required = params.get('require-sigs');
  const store = new DaemonStore({
    url,
    storeDir: remoteStoreDir(params),
    abilities: { ranges: false, encodings: false, trusted: false, priority: 5 },
    context,
    connect: () => connectUnix(socket, `the Nix daemon at ${socket}`, context.signal, startHint),
    maxLanes: Number(params.get('max-connections')) || lanes,
    shareLane: false,
    requireSignatures: required === null ? (context.settings.flag('require-sigs') ?? true) : required === 'true',
    assumedTrust: assumedTrust(context),
  });
  try {
    return await store.connected();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

/** What a daemon before 1.35 does not tell: root is trusted unless nix.conf says otherwise, whoever it names, too. */
function assumedTrust({ settings }: RemoteContext): Trust {
  const trusted = settings.list('trusted-users') ?? ['root'];
  const { username } = userInfo();
  if (trusted.includes('*') || trusted.includes(username)) return 'trusted';
  return trusted.some((name) => name.startsWith('@')) ? 'unknown' : 'untrusted';
}

export class DaemonStore extends WorkerStore implements RootedStore {
  expectRoot(link: string): void {
    expectLinkable(link);
  }

  async addRoot(link: string, path: StorePath): Promise<void> {
    await this.#holdValid(path);
    const made = makeRoot({ storeDir: this.storeDir }, link, path);
    await (await this.client()).call(ops.addIndirectRoot, { link: made });
  }

  async setProfile(profile: string, path: StorePath): Promise<string> {
    await this.#holdValid(path);
    const { warn, signal } = this.options.context;
    const link = await setGeneration({ storeDir: this.storeDir }, profile, path, {
      signal,
      onWait: () => warn(`waiting for the lock on profile ${profile}`),
    });
    await (await this.client()).call(ops.addIndirectRoot, { link });
    return link;
  }

  /** The daemon's disk is this machine's, unless its socket is another's. */
  override async inspect(): Promise<StoreFacts> {
    const facts = { ...(await super.inspect()), clock: { ahead: 0, within: 0 } };
    const own = this.url === 'daemon' && !process.env['NIX_DAEMON_SOCKET_PATH'] && existsSync(this.storeDir);
    return own ? { ...facts, space: { where: this.storeDir, ...freeSpace(this.storeDir) } } : facts;
  }

  async #holdValid(path: StorePath): Promise<void> {
    const client = await this.client();
    await this.hold([path]);
    if (await client.call(ops.isValidPath, { path })) return;
    throw new NarrowError('missing', `${path} is not valid in ${this.url}`, { data: { path } });
  }
}
