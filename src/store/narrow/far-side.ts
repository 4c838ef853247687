// A store of this machine behind narrow's own protocol, as `narrow stdio` offers it. It trusts whoever started it as far as
// the store does: a daemon checks signatures of users that it does not trust.

import type { NarrowHandlers } from '../../protocol/narrow/server.ts';
import type { FarContext } from './far-context.ts';
import { FarReceiver } from './far-receiver.ts';
import { FarSender } from './far-sender.ts';

/** Answers for one conversation. */
export function farSide(context: FarContext): NarrowHandlers {
  const { store } = context.options;
  const receiver = new FarReceiver(context);
  const sender = new FarSender(context);
  return {
    ...receiver.handlers,
    ...sender.handlers,
    query: async ({ paths }) => [...(await store.pathInfos(paths)).values()],
    realisations: async ({ paths }) => store.realisations([...(await store.pathInfos(paths)).values()]),
  };
}
