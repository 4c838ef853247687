// An ssh store that looks for a narrow on its host when a copy begins: where there is one, the copy goes by deltas; where
// there is none, the same connection goes on with the serve protocol, and everything is as it was.

import { NarrowError } from '../../errors.ts';
import type { NarrowClient } from '../../protocol/narrow/client.ts';
import { narrowOperations as ops } from '../../protocol/narrow/operations.ts';
import type { StoreFacts } from '../facts.ts';
import { explainGreeting } from '../remote/ssh-connection.ts';
import type { SshPlace } from '../remote/ssh-connection.ts';
import type { SshStore } from '../ssh.ts';
import type { DeltaStore, Meeting } from '../store.ts';
import { forward } from '../wrap/forward.ts';
import { eitherProgram, link } from './link.ts';
import { NearReceiver } from './near-receiver.ts';
import { NearSender } from './near-sender.ts';
import type { PaceLevel } from './pace.ts';
import { parseFacts } from './told-facts.ts';

export interface FarOptions {
  readonly place: SshPlace;
  /** The words that start it there. */
  readonly narrow: readonly string[];
  /** How much work for few bytes; by default what fits the line. */
  readonly level?: PaceLevel | undefined;
  readonly warn: (text: string) => void;
}

/** What a copy by deltas uses once it has begun. */
interface Session {
  readonly client: NarrowClient;
  readonly sender?: NearSender | undefined;
  readonly receiver?: NearReceiver | undefined;
}

export function farStore(stock: SshStore, options: FarOptions): SshStore & DeltaStore {
  let session: Session | undefined;
  const { place, level, warn } = options;

  const meet = async (begin: (client: NarrowClient) => Promise<Omit<Session, 'client'>>): Promise<Meeting> => {
    const far = await connect(stock, options);
    if (!far) return { kind: 'stock', why: `${place.connection.host.host} has no narrow` };
    const { software, storeDir } = far.greeting;
    session = { client: far };
    if (storeDir !== stock.storeDir)
      throw new NarrowError('refused', `${stock.url} holds paths of ${storeDir}, not of ${stock.storeDir}`);
    session = { client: far, ...(await begin(far)) };
    const bases = session.receiver?.baseCount ?? session.sender!.packing.baseCount;
    return { kind: 'narrow', software, bases };
  };

  const ours: Partial<SshStore & DeltaStore> = {
    meetSource: (sending) =>
      meet(async (client) => ({ sender: await NearSender.meet(client, sending, { level, warn }) })),
    meetDestination: (receiving) =>
      meet(async (client) => ({ receiver: await NearReceiver.meet(client, receiving, { level }) })),
    hold: (paths) => (session ? Promise.resolve({ async [Symbol.asyncDispose]() {} }) : stock.hold(paths)),
    async pathInfos(paths, asked) {
      if (!session) return stock.pathInfos(paths, asked);
      const wanted = [...paths];
      const found = session.receiver?.pathInfos(wanted) ?? new Map();
      const rest = wanted.filter((path) => !found.has(path));
      const more = rest.length === 0 ? [] : await session.client.call(ops.query, { paths: rest });
      for (const info of more) found.set(info.path, info);
      return found;
    },
    expect: (infos) => (session ? session.receiver?.expect(infos) : stock.expect(infos)),
    open: async (info, how) => (await session?.receiver?.open(info)) ?? stock.open(info, how),
    async realisations(paths) {
      if (!session) return stock.realisations(paths);
      const realised = paths.filter(({ ca }) => ca).map(({ path }) => path);
      return realised.length === 0 ? [] : [...(await session.client.call(ops.realisations, { paths: realised }))];
    },
    inspect: (asked) =>
      session?.sender ? Promise.resolve(factsOf(session.sender, session.client)) : stock.inspect(asked),
    check: (infos, how) => session?.sender?.check(infos, how ?? {}) ?? stock.check(infos, how),
    add: (items, how) => session?.sender?.add(items, how ?? {}) ?? stock.add(items, how),
    addSignatures: (path, narHash, signatures) =>
      session
        ? session.client.call(ops.addSignatures, { path, narHash, signatures })
        : stock.addSignatures(path, narHash, signatures),
    distrust(infos) {
      session?.receiver?.distrust(infos);
      return infos;
    },
    deltaSize: async (infos) => (await (session?.sender ?? session?.receiver)?.deltaSize(infos)) ?? 0,
    deltaReports: () => session?.sender?.reports ?? session?.receiver?.reports ?? new Map(),
    async [Symbol.asyncDispose]() {
      await session?.receiver?.[Symbol.asyncDispose]();
      await session?.client[Symbol.asyncDispose]();
      await stock[Symbol.asyncDispose]();
    },
  };
  return forward(stock as SshStore & DeltaStore, ours);
}

/** A narrow on the host; undefined where there is none, and then the stock store goes on with the connection. */
async function connect(stock: SshStore, { place, narrow }: FarOptions): Promise<NarrowClient | undefined> {
  const { connection, program, store } = place;
  const words = eitherProgram({ narrow, stock: [...program, '--serve', '--write', ...store] });
  const duplex = connection.start(words, program[0]);
  try {
    const linked = await link(duplex, stock.storeDir);
    if (linked.kind === 'narrow') return linked.client;
    stock.adopt(linked.greeted);
    return undefined;
  } catch (error) {
    throw explainGreeting(error, connection.host);
  }
}

function factsOf({ offer }: NearSender, { greeting }: NarrowClient): StoreFacts {
  const facts = parseFacts(offer.facts);
  return { ...facts, version: [greeting.software, facts.version].filter(Boolean).join(', ') };
}
