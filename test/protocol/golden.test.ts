// What Nix 2.8 and its clients of every version said, read and written again: byte for byte, in both directions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from '../../src/bytes/reader.ts';
import { collect } from '../../src/bytes/source.ts';
import { ByteWriter } from '../../src/bytes/writer.ts';
import { bareNar } from '../../src/protocol/bare-nar.ts';
import type { Peer } from '../../src/protocol/codec/codec.ts';
import { bulkInfo } from '../../src/protocol/codec/path-info.ts';
import { Output } from '../../src/protocol/duplex.ts';
import { readFramed, writeFramed } from '../../src/protocol/framed.ts';
import { getMessage, putMessage } from '../../src/protocol/worker/message.ts';
import type { Message } from '../../src/protocol/worker/message.ts';
import { workerByNumber, workerOperations } from '../../src/protocol/worker/operations.ts';
import type { Operation } from '../../src/protocol/worker/operations.ts';
import { serveByNumber, serveOperations } from '../../src/protocol/serve/operations.ts';
import { inChunks, playback, recording } from './pipe.ts';

function readerOf(bytes: Uint8Array, size: number): ByteReader {
  return new ByteReader(inChunks(bytes, size), 'recording');
}

async function rest(reader: ByteReader): Promise<Buffer> {
  return collect(reader.rest());
}

async function framesOf(data: Uint8Array): Promise<Buffer> {
  const { duplex, written } = playback(Buffer.alloc(0));
  const output = new Output(duplex);
  await writeFramed(output, [data]);
  await output.flush();
  return written();
}

/** Reads a request and writes it; returns its row. */
async function checkRequest(bytes: Buffer, peer: Peer, size: number): Promise<Operation<unknown, unknown> | undefined> {
  const reader = readerOf(bytes, size);
  const number = await reader.u64();
  const op = workerByNumber.get(number);
  if (!op || (op.number === 7 && peer.version < 25)) return undefined;
  const out = new ByteWriter().u64(number);
  op.request.put(out, await op.request.get(reader, peer), peer);
  const body = await rest(reader);
  assert.deepEqual(Buffer.concat([out.take(), body]), bytes, op.name);
  if (op.body !== 'framed') assert.equal(body.length, 0, op.name);
  else if (peer.version >= 23) await checkFrames(op, body, peer, size);
  return op;
}

async function checkFrames(op: Operation<unknown, unknown>, body: Buffer, peer: Peer, size: number): Promise<void> {
  const reader = readerOf(body, size);
  const data = await collect(readFramed(reader));
  await reader.expectEnd('the frames');
  // where frames end is the sender's choice; one frame is one frame
  const again = await framesOf(data);
  if (again.length === body.length) assert.deepEqual(again, body, op.name);
  assert.deepEqual(await collect(readFramed(readerOf(again, size))), data, op.name);
  if (op.number !== workerOperations.addMultipleToStore.number) return;
  const inner = readerOf(data, size);
  const out = new ByteWriter();
  const count = await inner.u64();
  out.u64(count);
  for (let i = 0; i < count; i++) {
    bulkInfo.put(out, await bulkInfo.get(inner, peer), peer);
    out.raw(await collect(bareNar(inner)));
  }
  assert.deepEqual(out.take(), data);
}

/** Reads all that the daemon says after a request and writes it. */
async function checkReply(op: Operation<unknown, unknown>, bytes: Buffer, peer: Peer, size: number): Promise<void> {
  const reader = readerOf(bytes, size);
  const out = new ByteWriter();
  let last: Message;
  do {
    last = await getMessage(reader, peer);
    putMessage(out, last, peer);
  } while (last.kind !== 'last' && last.kind !== 'error' && !(await reader.atEnd()));
  if (last.kind === 'last' && op.answer === 'nar') out.raw(await collect(bareNar(reader)));
  else if (last.kind === 'last') op.reply.put(out, await op.reply.get(reader, peer), peer);
  // a malformed path is complained about twice
  else if (!(await reader.atEnd())) putMessage(out, await getMessage(reader, peer), peer);
  await reader.expectEnd(op.name);
  assert.deepEqual(out.take(), bytes, op.name);
}

for (const [version, name] of [16, 21, 25, 32, 34].map((v) => [v, `worker-1.${v}-session`] as const)) {
  test(`worker protocol 1.${version}: every recorded request and reply is read and written as it was`, async () => {
    const peer: Peer = { version, features: new Set(), storeDir: '/nix/store' };
    const seen = new Set<string>();
    for (const size of [1, 7, 65536]) {
      let op: Operation<unknown, unknown> | undefined;
      for (const { dir, note, bytes } of recording(name).slice(4)) {
        if (note.includes('malformed')) {
          await assert.rejects(checkRequest(bytes, peer, size), /bad store path 'bogus'/);
          op = undefined;
        } else if (dir === 'c2s') op = note.startsWith('answer') ? undefined : await checkRequest(bytes, peer, size);
        else if (op && !note.startsWith('STDERR_READ')) await checkReply(op, bytes, peer, size);
        if (op) seen.add(op.name);
      }
    }
    assert.ok(seen.size >= (version === 34 ? 30 : 5), `${seen.size} operations seen`);
  });
}

test('worker protocol 1.34: errors of all shapes are read and written as they were', async () => {
  const peer: Peer = { version: 34, features: new Set(), storeDir: '/nix/store' };
  for (const { dir, note, bytes } of recording('worker-1.34-errors')) {
    if (dir !== 's2c' || !note.startsWith('STDERR_ERROR')) continue;
    const reader = readerOf(bytes, 5);
    const out = new ByteWriter();
    while (!(await reader.atEnd())) putMessage(out, await getMessage(reader, peer), peer);
    assert.deepEqual(out.take(), bytes, note);
  }
});

test('serve protocol 2.7: every recorded request and reply is read and written as it was', async () => {
  const peer: Peer = { version: 7, features: new Set(), storeDir: '/nix/store' };
  for (const name of ['serve-2.7-session', 'serve-2.7-errors']) {
    for (const size of [1, 7, 65536]) {
      let op = serveOperations.queryValidPaths as NonNullable<ReturnType<typeof serveByNumber.get>>;
      for (const { dir, note, bytes } of recording(name).slice(2)) {
        const reader = readerOf(bytes, size);
        const out = new ByteWriter();
        if (dir === 'c2s') {
          const number = await reader.u64();
          op = serveByNumber.get(number)!;
          op.request.put(out.u64(number), await op.request.get(reader, peer), peer);
          if (op.body === 'nar') out.raw(await collect(bareNar(reader)));
          else if (op.body === 'export') out.raw(await rest(reader));
        } else if (bytes.length > 0) {
          if (op.answer === 'nar') out.raw(await collect(bareNar(reader)));
          else if (op.answer === 'export') out.raw(await rest(reader));
          else op.reply.put(out, await op.reply.get(reader, peer), peer);
        }
        await reader.expectEnd(note);
        assert.deepEqual(out.take(), bytes, note);
      }
    }
  }
});
