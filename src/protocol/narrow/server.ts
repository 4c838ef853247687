// The server's side of narrow's own protocol: answers from handlers, one request after the other. What a handler throws is
// the answer to that request, and the conversation goes on.

import { ByteReader } from '../../bytes/reader.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { ByteWriter } from '../../bytes/writer.ts';
import { NarrowError } from '../../errors.ts';
import type { Peer } from '../codec/codec.ts';
import type { Duplex } from '../duplex.ts';
import { Output } from '../duplex.ts';
import { FrameWriter, readFramed } from '../framed.ts';
import type { NarrowGreeting } from './handshake.ts';
import { greetNarrowClient } from './handshake.ts';
import type { NarrowOperation, NarrowTable, OperationAnswer, OperationRequest } from './operations.ts';
import { narrowByNumber, narrowOperations } from './operations.ts';
import { putAnswer, putFailure } from './reply.ts';

/** Answers. `body` is what follows the request; `send` sends what comes before the reply. */
export type NarrowHandlers = {
  readonly [K in keyof NarrowTable]?: (
    request: OperationRequest<NarrowTable[K]>,
    body: ByteSource,
    send: (chunk: Uint8Array) => Promise<void>,
  ) => OperationAnswer<NarrowTable[K]> | Promise<OperationAnswer<NarrowTable[K]>>;
};

type AnyHandler = (request: unknown, body: ByteSource, send: (chunk: Uint8Array) => Promise<void>) => unknown;

/** Serves one connection until the client closes it. Throws for a client that does not keep to the protocol. */
export async function serveNarrow(
  duplex: Duplex,
  greeting: Omit<NarrowGreeting, 'version'>,
  handlers: NarrowHandlers,
): Promise<void> {
  const reader = new ByteReader(duplex.input, duplex.name);
  const output = new Output(duplex);
  const version = await greetNarrowClient(reader, output, greeting);
  const peer: Peer = { version, features: new Set(greeting.features), storeDir: greeting.storeDir };
  while (!(await reader.atEnd())) {
    const number = await reader.u64('an operation');
    const op = narrowByNumber.get(number);
    if (!op) throw new NarrowError('format', `${duplex.name} asks for operation ${number}, which there is not`);
    const name = (Object.keys(narrowOperations) as (keyof NarrowTable)[]).find((key) => narrowOperations[key] === op)!;
    await serveOne(op, handlers[name] as AnyHandler | undefined, reader, output, peer);
  }
}

async function serveOne(
  op: NarrowOperation<unknown, unknown>,
  handler: AnyHandler | undefined,
  reader: ByteReader,
  output: Output,
  peer: Peer,
): Promise<void> {
  const request = await op.request.get(reader, peer);
  const body = op.body === 'frames' ? readFramed(reader) : undefined;
  const frames = op.answer === 'frames' ? new FrameWriter(output) : undefined;
  let out = new ByteWriter();
  try {
    if (!handler) throw new NarrowError('refused', `${op.name} is not allowed here`);
    const answer = await handler(request, body ? unclosed(body) : [], async (chunk) => {
      await frames?.write(chunk);
      await frames?.flush();
      await output.flush();
    });
    putAnswer(out, op.reply, answer, peer);
  } catch (error) {
    // without what was written of an answer
    out = new ByteWriter();
    putFailure(out, error, peer);
  }
  await frames?.end();
  await output.write(out.take());
  await output.flush();
  // After the answer: who hears it sends no more. The next request stands behind the rest.
  if (body) for (let next = await body.next(); next.done !== true; next = await body.next());
}

/** The same source, which goes on where it was left. */
function unclosed(source: AsyncGenerator<Uint8Array, void, undefined>): ByteSource {
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
}
