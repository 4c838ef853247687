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

export function farStore(stock: SshStore, options: FarOptions): SshStore & DeltaStore {
  const far = new Far(stock, options);
  const ours: Partial<SshStore & DeltaStore> = { ...meetings(far), ...reading(far), ...writing(far), ...deltas(far) };
  return forward(stock as SshStore & DeltaStore, ours);
}

/** What a copy by deltas uses once it has begun. */
interface Session {
  readonly client: NarrowClient;
  readonly sender?: NearSender | undefined;
  readonly receiver?: NearReceiver | undefined;
}

/** The host, and what was found there; as long as there is no session, everything is the stock store's. */
class Far {
  readonly stock: SshStore;
  readonly options: FarOptions;
  session: Session | undefined;

  constructor(stock: SshStore, options: FarOptions) {
    this.stock = stock;
    this.options = options;
  }

  async meet(begin: (client: NarrowClient) => Promise<Omit<Session, 'client'>>): Promise<Meeting> {
    const client = await connect(this.stock, this.options);
    if (!client) return { kind: 'stock', why: `${this.options.place.connection.host.host} has no narrow` };
    const { software, storeDir } = client.greeting;
    const { url, storeDir: expected } = this.stock;
    this.session = { client };
    if (storeDir !== expected)
      throw new NarrowError('refused', `${url} holds paths of ${storeDir}, not of ${expected}`);
    const session = (this.session = { client, ...(await begin(client)) });
    return { kind: 'narrow', software, bases: session.receiver?.baseCount ?? session.sender!.packing.baseCount };
  }
}

type Members = Partial<SshStore & DeltaStore>;

/** Who is there, and the end of it. */
function meetings(far: Far): Members {
  const { stock, options } = far;
  const { level, warn } = options;
  return {
    meetSource: (sending) =>
      far.meet(async (client) => ({ sender: await NearSender.meet(client, sending, { level, warn }) })),
    meetDestination: (receiving) =>
      far.meet(async (client) => ({ receiver: await NearReceiver.meet(client, receiving, { level }) })),
    // the other side holds what it is asked about
    hold: (paths) => (far.session ? Promise.resolve({ async [Symbol.asyncDispose]() {} }) : stock.hold(paths)),
    inspect(asked) {
      const { sender, client } = far.session ?? {};
      return sender && client ? Promise.resolve(factsOf(sender, client)) : stock.inspect(asked);
    },
    async [Symbol.asyncDispose]() {
      await far.session?.receiver?.[Symbol.asyncDispose]();
      await far.session?.client[Symbol.asyncDispose]();
      await stock[Symbol.asyncDispose]();
    },
  };
}

function reading(far: Far): Members {
  const { stock } = far;
  return {
    async pathInfos(paths, asked) {
      if (!far.session) return stock.pathInfos(paths, asked);
      const { client, receiver } = far.session;
      const wanted = [...paths];
      const found = receiver?.pathInfos(wanted) ?? new Map();
      const rest = wanted.filter((path) => !found.has(path));
      const more = rest.length === 0 ? [] : await client.call(ops.query, { paths: rest });
      for (const info of more) found.set(info.path, info);
      return found;
    },
    expect: (infos) => (far.session ? far.session.receiver?.expect(infos) : stock.expect(infos)),
    open: async (info, how) => (await far.session?.receiver?.open(info)) ?? stock.open(info, how),
    async realisations(paths) {
      if (!far.session) return stock.realisations(paths);
      const realised = new Set(paths.filter(({ ca }) => ca).map(({ path }) => path));
      if (realised.size === 0) return [];
      const told = await far.session.client.call(ops.realisations, { paths: [...realised] });
      return told.filter(({ outPath }) => realised.has(outPath));
    },
  };
}

function writing(far: Far): Members {
  const { stock } = far;
  return {
    check: (infos, how) => far.session?.sender?.check(infos) ?? stock.check(infos, how),
    realisationsRefusal: (info, told) => (far.session ? undefined : stock.realisationsRefusal(info, told)),
    add: (items, how) => far.session?.sender?.add(items, how ?? {}) ?? stock.add(items, how),
    addSignatures: (path, narHash, signatures) =>
      far.session
        ? far.session.client.call(ops.addSignatures, { path, narHash, signatures })
        : stock.addSignatures(path, narHash, signatures),
  };
}

/** What only stores have that deltas go to or come from. */
function deltas(far: Far): Members {
  return {
    distrust(infos) {
      far.session?.receiver?.distrust(infos);
      return infos;
    },
    deltaSize: async (infos) => (await (far.session?.sender ?? far.session?.receiver)?.deltaSize(infos)) ?? 0,
    deltaReports: () => far.session?.sender?.reports ?? far.session?.receiver?.reports ?? new Map(),
  };
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
