// Our own protocol, both sides of it: the greeting that two kinds of servers answer, answers, failures, framed bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { collect } from '../../src/bytes/source.ts';
import { NarrowError, isNarrowError } from '../../src/errors.ts';
import { NarrowClient } from '../../src/protocol/narrow/client.ts';
import { greetEither } from '../../src/protocol/narrow/handshake.ts';
import type { NarrowGreeting } from '../../src/protocol/narrow/handshake.ts';
import { narrowOperations as ops } from '../../src/protocol/narrow/operations.ts';
import type { NumberedEnding, NumberedStanding, Offer } from '../../src/protocol/narrow/operations.ts';
import { serveNarrow } from '../../src/protocol/narrow/server.ts';
import type { NarrowHandlers } from '../../src/protocol/narrow/server.ts';
import { packIndices, unpackIndices } from '../../src/protocol/narrow/indices.ts';
import { Pipeline } from '../../src/protocol/pipeline.ts';
import { ServeClient } from '../../src/protocol/serve/client.ts';
import { serveHello } from '../../src/protocol/serve/handshake.ts';
import { serveOperations } from '../../src/protocol/serve/operations.ts';
import { serveStore } from '../../src/protocol/serve/server.ts';
import type { Realisation } from '../../src/model/realisation.ts';
import { pair, rejects } from './pipe.ts';
import { sample } from './samples.ts';

const storeDir = '/nix/store';
const greeting: Omit<NarrowGreeting, 'version'> = { software: 'narrow 1.2.3', storeDir, features: ['one'] };
const one = sample('one', 1000);

async function connect(handlers: NarrowHandlers): Promise<NarrowClient> {
  const [client, server] = pair();
  void serveNarrow(server, greeting, handlers).catch(() => server.destroy());
  const pipeline = new Pipeline(client);
  const answer = await pipeline.request(
    (output) => serveHello(output),
    (reader) => greetEither(reader, pipeline.output, storeDir),
  );
  assert.equal(answer.kind, 'narrow');
  assert.deepEqual(answer.kind === 'narrow' && answer.greeting, { ...greeting, version: 1 });
  return new NarrowClient(pipeline, (answer as { greeting: NarrowGreeting }).greeting);
}

test('the same hello finds a server of the serve protocol', async () => {
  const [client, server] = pair();
  void serveStore(server, { storeDir, handlers: { queryPathInfos: () => [one.info] } });
  const pipeline = new Pipeline(client);
  const answer = await pipeline.request(
    (output) => serveHello(output),
    (reader) => greetEither(reader, pipeline.output, storeDir),
  );
  assert.deepEqual(answer, { kind: 'serve', version: 7 });
  await using serve = new ServeClient({ pipeline, version: 7 }, { storeDir });
  const infos = await serve.call(serveOperations.queryPathInfos, { paths: [one.info.path] });
  assert.deepEqual(
    infos.map((i) => i.path),
    [one.info.path],
  );
});

test('a login shell that prints into the greeting is named', async () => {
  const [client, server] = pair();
  await server.write(Buffer.from('Welcome to pi1\n'));
  const pipeline = new Pipeline(client);
  await rejects(
    pipeline.request(
      (output) => serveHello(output),
      (reader) => greetEither(reader, pipeline.output, storeDir),
    ),
    /expected its greeting, got "Welcome to pi1"/,
  );
});

test('what a body has is there before the next of it is made, both ways', async () => {
  const seen = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using client = await connect({
    async rebuild(_, body) {
      for await (const _chunk of body) seen[0]!.resolve();
      return [];
    },
    async send(_, __, send) {
      await send(Buffer.from('abc'));
      await seen[1]!.promise;
      await send(Buffer.from('def'));
    },
  });
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('delta');
    await seen[0]!.promise;
    yield Buffer.from('more');
  };
  await client.call(ops.rebuild, { numbers: [], whole: [], checkSignatures: false, realisations: [] }, body());
  for await (const _ of client.stream(ops.send, { numbers: [], whole: [], level: 'best' }).bytes) seen[1]!.resolve();
});

test('every answer comes as it was given', async () => {
  const offer: Offer = {
    candidates: [{ root: one.info.path, digest: Buffer.from('12345678'), count: 3 }],
    tools: ['gzip/1'],
    trusted: true,
    requireSignatures: false,
    trustedKeys: ['k:AAAA'],
    facts: '{"kind":"x"}',
  };
  const standings: NumberedStanding[] = [
    { number: 0, standing: { status: 'missing' } },
    { number: 3, standing: { status: 'valid', info: one.info } },
    { number: 4, standing: { status: 'refused', why: 'no key', hint: undefined } },
    { number: 500, standing: { status: 'refused', why: 'no key', hint: 'sign it' } },
  ];
  const error = new NarrowError('io', 'no space left', { hint: 'free some', data: { errno: 'ENOSPC' } });
  const endings: NumberedEnding[] = [
    { number: 1, ending: { status: 'valid', error: undefined } },
    { number: 2, ending: { status: 'failed', error } },
  ];
  const realisation: Realisation = {
    kind: 'hashed',
    id: `sha256:${'0'.repeat(64)}!out`,
    outPath: one.info.path,
    signatures: [`k:${Buffer.alloc(64).toString('base64')}`],
    dependentRealisations: {},
  };
  let received = '';
  await using client = await connect({
    offer: () => offer,
    survey: () => ({ standings, sameSignatures: true, digests: Buffer.from('d') }),
    async rebuild({ numbers, whole, realisations }, body) {
      assert.deepEqual({ numbers, whole }, { numbers: [0, 1, 2, 7, 300], whole: [7] });
      assert.deepEqual(realisations, [realisation]);
      received = (await collect(body)).toString();
      return endings;
    },
    setProfile: ({ profile }) => `${profile}-1-link`,
    async send(_, __, send) {
      await send(Buffer.from('abc'));
      await send(Buffer.from('def'));
    },
  });
  const [gotOffer, gotStandings, profile, sent, gotEndings] = await Promise.all([
    client.call(ops.offer, { roots: [one.info.path] }),
    client.call(ops.survey, {
      bases: [],
      checkSignatures: true,
      infos: Buffer.from('x'),
      signatures: Buffer.alloc(8),
      unknown: [1],
    }),
    client.call(ops.setProfile, { profile: '/p', path: one.info.path }),
    collect(client.stream(ops.send, { numbers: [1], whole: [], level: 'best' }).bytes),
    client.call(
      ops.rebuild,
      { numbers: [0, 1, 2, 7, 300], whole: [7], checkSignatures: false, realisations: [realisation] },
      [Buffer.from('delta')],
    ),
  ]);
  assert.deepEqual(gotOffer, offer);
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  assert.deepEqual(plain(gotStandings), plain({ standings, sameSignatures: true, digests: Buffer.from('d') }));
  assert.equal(profile, '/p-1-link');
  assert.equal(sent.toString(), 'abcdef');
  assert.equal(received, 'delta');
  assert.deepEqual(gotEndings[0], endings[0]);
  assert.deepEqual(gotEndings[1]!.ending.error!.toJSON(), error.toJSON());
});

test('what a handler throws answers that request alone', async () => {
  await using client = await connect({
    rebuild: () => Promise.reject(new NarrowError('refused', 'not today', { hint: 'tomorrow', data: { a: 1 } })),
    async send(_, __, send) {
      await send(Buffer.from('half'));
      throw new Error('a bug');
    },
    query: () => [],
  });
  let left = false;
  const endless = (async function* () {
    try {
      for (;;) yield await new Promise<Buffer>((resolve) => setImmediate(resolve, Buffer.alloc(1000)));
    } finally {
      left = true;
    }
  })();
  const rebuild = client.call(
    ops.rebuild,
    { numbers: [], whole: [], checkSignatures: true, realisations: [] },
    endless,
  );
  await assert.rejects(rebuild, (error) => {
    assert.ok(isNarrowError(error, 'refused'));
    assert.deepEqual(error.toJSON(), { code: 'refused', message: 'not today', hint: 'tomorrow', a: 1 });
    return true;
  });
  // and what nobody wants any more is not sent
  await client.call(ops.query, { paths: [] });
  assert.equal(left, true);
  await rejects(collect(client.stream(ops.send, { numbers: [], whole: [], level: 'auto' }).bytes), /a bug/);
  await rejects(client.call(ops.describe, { roots: [] }), /Describe is not allowed here/);
});

test('numbers of paths come back, all of a list in a few bytes', () => {
  const sets = fc.oneof(
    fc.uniqueArray(fc.nat(5000)).map((set) => set.sort((a, b) => a - b)),
    fc.array(fc.nat(5000)),
  );
  fc.assert(fc.property(sets, (numbers) => assert.deepEqual(unpackIndices(packIndices(numbers)), numbers)));
  assert.equal(packIndices(Array.from({ length: 10_000 }, (_, i) => i)).length, 3);
  assert.throws(() => unpackIndices(Buffer.from('00feffff7f', 'hex')), /numbers below/);
  assert.throws(() => unpackIndices(Buffer.of(0)), /expected a number/);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
      try {
        unpackIndices(bytes);
      } catch (error) {
        assert.ok(isNarrowError(error, 'format'));
      }
    }),
  );
});
