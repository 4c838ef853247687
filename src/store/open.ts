// From a URL to a store. Each place is loaded when it is first opened, so that asking the local store never waits for
// an HTTP client.

import { connect } from 'node:net';
import { join } from 'node:path';
import { NarrowError } from '../errors.ts';
import type { OpenContext, OpenMode } from './open-context.ts';
import type { Store, WritableStore } from './store.ts';
import { isWritable } from './store.ts';
import type { StoreUrl } from './url.ts';
import { unknownParameters } from './parameters.ts';
import { parseStoreUrl } from './url.ts';
import { forward } from './wrap/forward.ts';

/** Opens the store a URL names. Throws `usage`, `unsupported`, `unavailable`, `io`. */
export async function openStore(url: string, context: OpenContext, mode: OpenMode = 'read'): Promise<Store> {
  const parsed = parseStoreUrl(url);
  for (const warning of unknownParameters(parsed)) context.warn(warning);
  const store = await openParsed(parsed, context, mode);
  return parsed.params.get('trusted') === 'true' || parsed.params.get('trusted') === '1' ? trusting(store) : store;
}

/** Opens a destination. Throws `unsupported` for places that cannot be written. */
export async function openWritable(url: string, context: OpenContext): Promise<WritableStore> {
  const store = await openStore(url, context, 'write');
  if (isWritable(store)) return store;
  throw new NarrowError('unsupported', `${store.url} cannot be written`);
}

async function openParsed(url: StoreUrl, context: OpenContext, mode: OpenMode): Promise<Store> {
  switch (url.scheme) {
    case 'local':
      return (await import('./local.ts')).openLocalStore(url.params, context, mode);
    case 'file':
      return (await import('./file.ts')).openFileCache(url.place, url.params, context, mode);
    case 'http':
    case 'https':
      return (await import('./http.ts')).openHttpCache(url.place, url.params, context, mode);
    case 'daemon':
      return (await import('./daemon.ts')).openDaemonStore(url.params, context);
    case 'ssh':
      return (await import('./narrow/open.ts')).openHost(url.place, url.params, context);
    case 'ssh-ng':
      return (await import('./ssh-ng.ts')).openSshNgStore(url.place, url.params, context);
    case 'sftp':
      return (await import('./sftp.ts')).openSftpCache(url.place, url.params, context, mode);
    case 's3':
      return (await import('./s3.ts')).openS3Cache(url.place, url.params, context, mode);
    case 'bundle':
      return (await import('./bundle/open.ts')).openBundleStore(url.place, url.params, context, openStore);
    case 'auto':
      return openStore(await autoUrl(mode), context, mode);
  }
}

/**
 * What `auto` means here: $NIX_REMOTE; else the daemon when one answers; else the machine's own store. A daemon is
 * needed only for writing: reading the store beside it is safe.
 */
async function autoUrl(mode: OpenMode): Promise<string> {
  const remote = process.env['NIX_REMOTE'];
  if (remote && remote !== 'auto') return remote;
  if (mode === 'read') return 'local';
  return (await daemonAnswers()) ? 'daemon' : 'local';
}

function daemonAnswers(): Promise<boolean> {
  const state = process.env['NIX_STATE_DIR'] || '/nix/var/nix';
  const path = process.env['NIX_DAEMON_SOCKET_PATH'] || join(state, 'daemon-socket/socket');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

/** The same store, whose paths need no signature because the user said `?trusted=1`. */
function trusting(store: Store): Store {
  return forward(store, { abilities: { ...store.abilities, trusted: true } });
}

export { stateDirectory } from '../fs/state-directory.ts';
