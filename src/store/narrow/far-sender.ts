// The far side of a copy from there to here: tells the closure, then sends deltas against what the client has.

import { closureOf } from '../../closure/walk.ts';
import { BaseClosure } from '../../delta/base-closure.ts';
import { NarrowError } from '../../errors.ts';
import type { PathInfo } from '../../model/path-info.ts';
import type { StorePath } from '../../model/store-path.ts';
import type { NarrowHandlers } from '../../protocol/narrow/server.ts';
import { closureThere } from './candidates.ts';
import type { FarContext } from './far-context.ts';
import { Packing } from './packing.ts';

type Handlers = Required<Pick<NarrowHandlers, 'closure' | 'estimate' | 'send'>>;

export class FarSender {
  readonly handlers: Handlers = {
    closure: (request) => this.#closure(request),
    estimate: async ({ numbers, level }) => {
      let size = 0;
      for await (const chunk of this.#told().delta(numbers, { tools: this.#tools, level })) size += chunk.length;
      return size;
    },
    send: async ({ numbers, whole, level }, _, send) => {
      const delta = this.#told().delta(numbers, { whole: new Set(whole), tools: this.#tools, level });
      for await (const chunk of delta) await send(chunk);
    },
  };
  readonly #context: FarContext;
  #packing: Packing | undefined;
  #tools: ReadonlySet<string> = new Set();

  constructor(context: FarContext) {
    this.#context = context;
  }

  async #closure({
    roots,
    candidates,
    tools,
  }: Parameters<Handlers['closure']>[0]): Promise<{ bases: StorePath[]; infos: Uint8Array }> {
    const { store, signal } = this.#context.options;
    await this.#context.hold(roots);
    const closure = await closureOf((paths) => store.pathInfos(paths, { signal }), roots, store.url);
    await this.#context.hold(closure.keys());
    const baseRoots: StorePath[] = [];
    const known: PathInfo[] = [];
    for (const { root, digest } of candidates) {
      const infos = await closureThere(store, root, { signal });
      if (!infos.has(root) || !Buffer.from(new BaseClosure(infos.values()).digest()).equals(digest)) continue;
      await this.#context.hold(infos.keys());
      baseRoots.push(root);
      known.push(...infos.values());
    }
    const packing = new Packing({ source: store, roots, closure, base: new BaseClosure(known), baseRoots, signal });
    await packing.unknownBases(packing.fresh.list.keys().toArray());
    this.#packing = packing;
    this.#tools = new Set(tools);
    return { bases: baseRoots, infos: await packing.infos({ complete: true }) };
  }

  #told(): Packing {
    if (this.#packing) return this.#packing;
    throw new NarrowError('format', 'the client asks for paths before their closure');
  }
}
