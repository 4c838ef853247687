// A small `nix-store --serve`: answers from handlers, one request after the other. Any error ends the conversation, as
// it does with Nix.

import { ByteReader } from '../../bytes/reader.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError } from '../../errors.ts';
import type { StoreDir } from '../../model/store-path.ts';
import { bareNar } from '../bare-nar.ts';
import type { Peer } from '../codec/codec.ts';
import type { Duplex } from '../duplex.ts';
import { Output } from '../duplex.ts';
import { greetServeClient } from './handshake.ts';
import type { ServeOperation, ServeTable } from './operations.ts';
import { serveByNumber, serveOperations } from './operations.ts';

type Request<O> = O extends ServeOperation<infer Q, infer _> ? Q : never;
type Reply<O> = O extends ServeOperation<infer _, infer R> ? R : never;

/** The operations whose data this server can frame: import and export streams are not offered. */
type Offered = Exclude<keyof ServeTable, 'importPaths' | 'exportPaths'>;

/** Answers; what it throws ends the conversation. For `dumpStorePath` the reply is the NAR. */
export type ServeHandlers = {
  readonly [K in Offered]?: (
    request: Request<ServeTable[K]>,
    body: ByteSource,
  ) => K extends 'dumpStorePath'
    ? ByteSource | Promise<ByteSource>
    : Reply<ServeTable[K]> | Promise<Reply<ServeTable[K]>>;
};

type AnyHandler = (request: unknown, body: ByteSource) => unknown;

export interface ServeOptions {
  readonly storeDir: StoreDir;
  readonly version?: number | undefined;
  readonly handlers: ServeHandlers;
}

/** Serves one connection until the client closes it. Throws what a handler throws. */
export async function serveStore(duplex: Duplex, options: ServeOptions): Promise<void> {
  const reader = new ByteReader(duplex.input, duplex.name);
  const output = new Output(duplex);
  const version = await greetServeClient(reader, output, options.version);
  const peer: Peer = { version, features: new Set(), storeDir: options.storeDir };
  while (!(await reader.atEnd())) {
    const number = await reader.u64('an operation');
    const op = serveByNumber.get(number);
    const name = (Object.keys(serveOperations) as (keyof ServeTable)[]).find((key) => serveOperations[key] === op);
    const handler = options.handlers[name as Offered] as AnyHandler | undefined;
    if (!op || !handler) throw new NarrowError('unsupported', `serve operation ${number} is not offered here`);
    await serveOne(op, handler, reader, output, peer);
  }
}

async function serveOne(
  op: ServeOperation<unknown, unknown>,
  handler: AnyHandler,
  reader: ByteReader,
  output: Output,
  peer: Peer,
): Promise<void> {
  const request = await op.request.get(reader, peer);
  const body = op.body === 'nar' ? bareNar(reader) : undefined;
  const reply = await handler(request, body ?? []);
  if (body) for (let next = await body.next(); next.done !== true; next = await body.next());
  if (op.answer === 'nar') {
    for await (const chunk of reply as ByteSource) await output.write(chunk);
  } else {
    const out = new ByteWriter();
    op.reply.put(out, reply, peer);
    await output.write(out.take());
  }
  await output.flush();
}
