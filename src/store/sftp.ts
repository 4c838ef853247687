// `sftp://[USER@]HOST[:PORT]/DIR`: a binary cache in a directory of a machine that offers nothing but sshd.

import { NarrowError } from '../errors.ts';
import { SftpClient } from '../protocol/sftp/client.ts';
import { SshHostConnection } from '../transport/ssh.ts';
import { splitWords } from '../transport/ssh-words.ts';
import type { CacheStore } from './cache/cache-store.ts';
import { listedCache } from './cache/listed-cache.ts';
import { openCache } from './cache/opening.ts';
import { flagParam } from './cache/params.ts';
import { SftpFiles } from './cache/sftp-files.ts';
import type { OpenContext, OpenMode } from './open-context.ts';
import { explainGreeting } from './remote/ssh-connection.ts';
import type { ListedStore } from './store.ts';

/** Milliseconds for unfinished files to be removed when this is stopped. */
const farewell = 3000;

/** Opens, or in mode `write` is ready to make, the cache. Throws `usage`, `missing`, `refused`, `unavailable`, `format`, `io`. */
export async function openSftpCache(
  place: string,
  params: URLSearchParams,
  context: OpenContext,
  mode: OpenMode = 'read',
): Promise<CacheStore & ListedStore> {
  const { host, path, root } = parseSftpPlace(place);
  const url = `sftp://${host}${path}`;
  await using stack = new AsyncDisposableStack();
  const client = stack.use(await connect(url, host, params, context));
  const files = new SftpFiles(client, {
    url,
    root,
    sync: flagParam(params, 'fsync') ?? false,
    // loaded only for a cache whose narinfos lead to other hosts
    elsewhere: async (other, options) => (await import('./http.ts')).openElsewhere(other, context, options),
  });
  const store = listedCache(await openCache(files, params, mode, context), () => files.names());
  stack.move();
  return store;
}

/** Splits the place: `/~/DIR` is DIR in the home of the user there. Throws `usage`. */
export function parseSftpPlace(place: string): {
  readonly host: string;
  readonly path: string;
  readonly root: string;
} {
  const slash = place.indexOf('/');
  const path = slash < 0 ? '' : place.slice(slash).replace(/\/+$/, '');
  const root = decode(path);
  if (slash <= 0 || root === '' || root.includes('\0')) {
    throw new NarrowError('usage', `'sftp://${place.slice(0, 200)}' names no directory on a host`, {
      hint: 'for example: sftp://pi1/srv/cache, or sftp://pi1/~/cache in the home there',
    });
  }
  const home = /^\/~(?:$|\/+)(.*)$/s.exec(root)?.[1];
  return { host: place.slice(0, slash), path, root: home === undefined ? root : home || '.' };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new NarrowError('usage', `'${text.slice(0, 200)}' has a percent sign that begins no escape`, { cause });
  }
}

async function connect(url: string, place: string, params: URLSearchParams, context: OpenContext): Promise<SftpClient> {
  const program = params.get('remote-program');
  const ending = lateAbort(context.signal);
  const connection = new SshHostConnection({
    name: url,
    place,
    params,
    onLine: (line) => context.warn(`${place}: ${line}`),
    onLogin: context.onLogin,
    signal: ending.signal,
    alwaysSsh: !program,
  });
  try {
    const duplex = program
      ? connection.start(splitWords(program, 'remote-program'))
      : connection.startSubsystem('sftp');
    const client = await SftpClient.open({
      ...duplex,
      async [Symbol.asyncDispose]() {
        ending.dispose();
        await duplex[Symbol.asyncDispose]();
        connection[Symbol.dispose]();
      },
    });
    ending.patient = true;
    return client;
  } catch (error) {
    ending.dispose();
    connection[Symbol.dispose]();
    throw explainGreeting(error, connection.host);
  }
}

/** Follows a signal: at once, and when it is `patient` late enough to tidy up before. */
function lateAbort(signal: AbortSignal | undefined): {
  patient: boolean;
  readonly signal: AbortSignal;
  dispose(): void;
} {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => late.abort(signal?.reason);
  const follow = (): void => {
    if (following.patient) timer = setTimeout(end, farewell);
    else end();
  };
  const following = {
    patient: false,
    signal: late.signal,
    dispose(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    },
  };
  if (signal?.aborted) end();
  else signal?.addEventListener('abort', follow, { once: true });
  return following;
}
