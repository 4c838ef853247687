// Two narrows in one process, each with a store in memory, and a line between them that a test may bend.
import { gzipSync } from 'node:zlib';
import type { Duplex } from '../../../src/protocol/duplex.ts';
import { serveNarrow } from '../../../src/protocol/narrow/server.ts';
import type { SecretKey } from '../../../src/model/signature.ts';
import { TrustedKeys, generateKey, signPathInfo } from '../../../src/model/signature.ts';
import type { StorePath } from '../../../src/model/store-path.ts';
import { defaultStoreDir, printStorePath } from '../../../src/model/store-path.ts';
import { memoryStore } from '../../../src/store/memory.ts';
import { FarContext } from '../../../src/store/narrow/far-context.ts';
import { farSide } from '../../../src/store/narrow/far-side.ts';
import { farStore } from '../../../src/store/narrow/far-store.ts';
import type { SshPlace } from '../../../src/store/remote/ssh-connection.ts';
import type { SshStore } from '../../../src/store/ssh.ts';
import type { DeltaStore, ListedStore, WritableStore } from '../../../src/store/store.ts';
import { forward } from '../../../src/store/wrap/forward.ts';
import { directory, file, itemOf, later, sample, samplePath, symlink } from '../../contract/sample.ts';
import type { Sample } from '../../contract/sample.ts';
import { pair } from '../../protocol/pipe.ts';

export const key: SecretKey = generateKey('joined-1');
export const trustedKeys: TrustedKeys = new TrustedKeys([key.publicKey]);

type MemoryNarrow = WritableStore & ListedStore;

/** A store in memory that can tell what it has, with these paths in it. */
export async function storeOf(samples: readonly Sample[]): Promise<MemoryNarrow> {
  const paths = new Set<StorePath>();
  const store = memoryStore({ trustedKeys });
  const listed = forward(
    store as MemoryNarrow,
    {
      allPaths: () => Promise.resolve([...paths].sort()),
      async *add(items, options) {
        for await (const outcome of store.add(items, options)) {
          if (outcome.status === 'added') paths.add(outcome.path);
          yield outcome;
        }
      },
    } as Partial<MemoryNarrow>,
  );
  const items = later(samples.map((one) => itemOf(one)));
  for await (const outcome of listed.add(items, { checkSignatures: false }))
    if ('error' in outcome) throw outcome.error;
  return listed;
}

/** Bytes that compress badly, the same for the same seed. */
function noise(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A small signed system; `build` makes its hashes, `version` its contents. References first, the root last. */
export async function system(build: string, version: number): Promise<readonly Sample[]> {
  const all: Sample[] = [];
  const add = async (name: string, root: Sample['root'], references: readonly StorePath[] = []): Promise<StorePath> => {
    const seed = `${build}${name}${all.length}`;
    const path = samplePath(seed);
    const made = await sample(seed, root, references);
    // names as in a store: the same package has the same name in all builds
    const info = { ...made.info, path: `${path.slice(0, 32)}-${name}` as StorePath };
    all.push({ ...made, info: signPathInfo(defaultStoreDir, info, [key]) });
    return info.path;
  };
  const at = (path: StorePath): string => printStorePath(defaultStoreDir, path);
  const changed = noise(20_000, 7);
  changed.fill(version, 9000, 9100);
  const libc = await add('libc-2.0', directory({ lib: directory({ 'libc.so': file(noise(30_000, 1)) }) }));
  const tool = await add(
    'tool-1.0',
    directory({ bin: directory({ tool: file(Buffer.concat([changed, Buffer.from(at(libc))]), true) }) }),
    [libc],
  );
  const env = directory({ path: file(`${at(tool)}/bin\n`) });
  const envs = [
    await add('env', env, [tool]),
    await add('env', directory({ path: env, of: file(at(libc)) }), [tool, libc]),
  ];
  const page = gzipSync(`a manual page of version ${version}, beside ${at(tool)}\n`.repeat(40), { level: 9 });
  const man = await add('man-1.0', directory({ man1: directory({ 'tool.1.gz': file(page) }) }), [tool]);
  const text = await add('etc', directory({ profile: file(`PATH=${at(tool)}/bin\n`), man: symlink(at(man)) }), [
    tool,
    man,
  ]);
  const [user, root] = envs.map((path) => symlink(at(path)));
  const sw = symlink(at(tool));
  await add('system', directory({ etc: symlink(`${at(text)}/etc`), sw, user: user!, root: root! }), [
    text,
    tool,
    ...envs,
  ]);
  return all;
}

/** Sees each chunk that passes, and may change it. The line is cut when it tells how many bytes still pass. */
export type Bend = (direction: 'up' | 'down', chunk: Buffer) => number | void;

/** A bent line on which nothing has passed for so many milliseconds is cut: both sides may wait for what was bent away. */
const patience = 150;

export interface Joined {
  /** The store there, as this side sees it. */
  readonly there: DeltaStore;
  readonly warnings: string[];
  readonly bytes: { up: number; down: number };
}

/** A far narrow that speaks for `store`. */
export function joined(store: MemoryNarrow, bend?: Bend): Joined {
  const warnings: string[] = [];
  const bytes = { up: 0, down: 0 };
  const start = (): Duplex => {
    const [client, server] = pair();
    const timer = bend && setTimeout(() => client.destroy(), patience);
    const pass: Bend = (direction, chunk) => {
      timer?.refresh();
      bytes[direction] += chunk.length;
      return bend?.(direction, chunk);
    };
    const far = new FarContext({ store, destination: store, trustedKeys });
    const served = serveNarrow(bent(server, 'down', pass), greeting, farSide(far));
    void served
      .catch(() => {})
      .finally(() => {
        clearTimeout(timer);
        server.destroy();
      });
    return bent(client, 'up', pass);
  };
  const place = {
    connection: { start, host: { host: 'there', destination: 'there' } },
    program: ['nix-store'],
    store: [],
  };
  const stock = forward(memoryStore(), { url: 'ssh://there', abilities: { ...store.abilities, nearby: false } });
  const options = {
    place: place as unknown as SshPlace,
    narrow: ['narrow', 'stdio'],
    warn: (text: string) => void warnings.push(text),
  };
  return { there: farStore(stock as unknown as SshStore, options), warnings, bytes };
}

const greeting = { software: 'narrow 1.2.3', storeDir: defaultStoreDir, features: [] };

function bent(duplex: Duplex, direction: 'up' | 'down', bend: Bend): Duplex {
  return {
    ...duplex,
    async write(chunk) {
      const own = Buffer.from(chunk);
      const left = bend(direction, own);
      await duplex.write(left === undefined ? own : own.subarray(0, left));
      if (left !== undefined) duplex.destroy();
    },
  };
}
