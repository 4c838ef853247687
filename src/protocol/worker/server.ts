// A small daemon: answers a client's requests from handlers, one after the other. For tests of clients, ours and Nix's,
// and for places that are to look like a daemon.

import { ByteReader } from '../../bytes/reader.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import type { Peer } from '../codec/codec.ts';
import type { Duplex } from '../duplex.ts';
import { Output } from '../duplex.ts';
import { readFramed } from '../framed.ts';
import { bareNar } from '../bare-nar.ts';
import type { HelloOptions, Trust, WorkerPeer } from './handshake.ts';
import { greetClient } from './handshake.ts';
import type { Message } from './message.ts';
import { putMessage } from './message.ts';
import type { Operation, WorkerTable } from './operations.ts';
import { workerByNumber, workerOperations } from './operations.ts';

type Request<O> = O extends Operation<infer Q, unknown> ? Q : never;
type Reply<O> = O extends Operation<never, infer R> | Operation<infer _, infer R> ? R : never;

/** What a handler is given beside the request. */
export interface Call {
  readonly peer: WorkerPeer;
  /** The data that follows the request; must be read or the server skips it. */
  readonly body: ByteSource;
  /** Sends a log message before the reply. */
  log(message: Message): void;
}

/** Answers; what it throws is sent as an error. For `narFromPath` the reply is the NAR. */
export type WorkerHandlers = {
  readonly [K in keyof WorkerTable]?: (
    request: Request<WorkerTable[K]>,
    call: Call,
  ) => K extends 'narFromPath'
    ? ByteSource | Promise<ByteSource>
    : Reply<WorkerTable[K]> | Promise<Reply<WorkerTable[K]>>;
};

type AnyHandler = (request: unknown, call: Call) => unknown;

export interface WorkerServerOptions extends HelloOptions {
  readonly nixVersion?: string | undefined;
  readonly trust?: Trust | undefined;
  readonly handlers: WorkerHandlers;
}

/** Serves one connection until the client closes it. */
export async function serveWorker(duplex: Duplex, options: WorkerServerOptions): Promise<void> {
  const reader = new ByteReader(duplex.input, duplex.name);
  const output = new Output(duplex);
  const { nixVersion = '2.34.0', trust = 'trusted' } = options;
  const peer = await greetClient(reader, output, { ...options, nixVersion, trust });
  await send(output, peer, { kind: 'last' });
  while (!(await reader.atEnd())) {
    const number = await reader.u64('an operation');
    const op = workerByNumber.get(number);
    if (!op) return fail(output, peer, `invalid operation ${number}`);
    await serveOne(op, reader, output, peer, options.handlers);
  }
}

async function serveOne(
  op: Operation<unknown, unknown>,
  reader: ByteReader,
  output: Output,
  peer: WorkerPeer,
  handlers: WorkerHandlers,
): Promise<void> {
  const request = await op.request.get(reader, peer);
  const body = op.body === 'none' ? undefined : bodyOf(reader, output, peer);
  const messages = new ByteWriter();
  try {
    const name = (Object.keys(workerOperations) as (keyof WorkerTable)[]).find(
      (key) => workerOperations[key].number === op.number,
    )!;
    const handler = handlers[name] as AnyHandler | undefined;
    if (!handler) throw new Error(`operation ${op.name} is not offered here`);
    const log = (message: Message): void => putMessage(messages, message, peer);
    const reply = await handler(request, { peer, body: body ?? [], log });
    await drain(body);
    await output.write(messages.take());
    await sendReply(op, reply, output, peer);
  } catch (error) {
    await drain(body);
    await output.write(messages.take());
    await fail(output, peer, error instanceof Error ? error.message : String(error));
  }
}

async function sendReply(op: Operation<unknown, unknown>, reply: unknown, output: Output, peer: Peer): Promise<void> {
  const out = new ByteWriter();
  putMessage(out, { kind: 'last' }, peer);
  if (op.answer === 'none') op.reply.put(out, reply, peer);
  await output.write(out.take());
  if (op.answer === 'nar') for await (const chunk of reply as ByteSource) await output.write(chunk);
  await output.flush();
}

/** The data of an upload, however this version sends it. */
function bodyOf(reader: ByteReader, output: Output, peer: Peer): AsyncGenerator<Uint8Array> {
  if (peer.version >= 23) return readFramed(reader);
  return bareNar(new ByteReader(pull(reader, output, peer), 'data of the client'));
}

/** Before 1.23 the data is asked for, piece by piece, until who reads it has enough. */
async function* pull(reader: ByteReader, output: Output, peer: Peer): AsyncGenerator<Uint8Array> {
  for (;;) {
    await send(output, peer, { kind: 'read', size: 32 * 1024 });
    const piece = await reader.stringBytes(32 * 1024);
    if (piece.length === 0) return;
    yield piece;
  }
}

async function drain(body: AsyncGenerator<Uint8Array> | undefined): Promise<void> {
  if (!body) return;
  for (let next = await body.next(); next.done !== true; next = await body.next());
}

async function send(output: Output, peer: Peer, message: Message): Promise<void> {
  const out = new ByteWriter();
  putMessage(out, message, peer);
  await output.write(out.take());
  await output.flush();
}

function fail(output: Output, peer: Peer, message: string): Promise<void> {
  return send(output, peer, { kind: 'error', error: { level: 0, message, traces: [], status: 1 } });
}
