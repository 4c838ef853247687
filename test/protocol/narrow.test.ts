// Our own protocol, both sides of it: the greeting that two kinds of servers answer, answers, failures, framed bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import { NarrowError, isNarrowError } from '../../src/errors.ts';
import { NarrowClient } from '../../src/protocol/narrow/client.ts';
import { greetEither } from '../../src/protocol/narrow/handshake.ts';
import type { NarrowGreeting } from '../../src/protocol/narrow/handshake.ts';
import { narrowOperations as ops } from '../../src/protocol/narrow/operations.ts';
import type { Ending, Offer, Standing } from '../../src/protocol/narrow/operations.ts';
import { serveNarrow } from '../../src/protocol/narrow/server.ts';
import type { NarrowHandlers } from '../../src/protocol/narrow/server.ts';
import { Pipeline } from '../../src/protocol/pipeline.ts';
import { ServeClient } from '../../src/protocol/serve/client.ts';
import { serveHello } from '../../src/protocol/serve/handshake.ts';
import { serveOperations } from '../../src/protocol/serve/operations.ts';
import { serveStore } from '../../src/protocol/serve/server.ts';
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

test('every answer comes as it was given', async () => {
  const offer: Offer = {
    candidates: [{ root: one.info.path, digest: Buffer.from('12345678'), count: 3 }],
    trusted: true,
    requireSignatures: false,
    trustedKeys: ['k:AAAA'],
    facts: '{"kind":"x"}',
  };
  const standings: Standing[] = [
    { status: 'missing' },
    { status: 'valid', info: one.info },
    { status: 'refused', why: 'no key', hint: undefined },
    { status: 'refused', why: 'no key', hint: 'sign it' },
  ];
  const error = new NarrowError('io', 'no space left', { hint: 'free some', data: { errno: 'ENOSPC' } });
  const endings: Ending[] = [
    { path: one.info.path, status: 'added', bytes: 5, error: undefined },
    { path: one.info.path, status: 'failed', bytes: 0, error },
  ];
  let received = '';
  await using client = await connect({
    offer: () => offer,
    survey: () => standings,
    async rebuild(_, body) {
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
    client.call(ops.survey, { bases: [], checkSignatures: true, infos: Buffer.from('x') }),
    client.call(ops.setProfile, { profile: '/p', path: one.info.path }),
    collect(client.stream(ops.send, { paths: [one.info.path], whole: [] }).bytes),
    client.call(ops.rebuild, { paths: [one.info.path], checkSignatures: false }, [Buffer.from('delta')]),
  ]);
  assert.deepEqual(gotOffer, offer);
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  assert.deepEqual(
    plain(gotStandings.map((s) => ({ ...s, info: undefined }))),
    plain(standings.map((s) => ({ ...s, info: undefined }))),
  );
  assert.equal(gotStandings[1]!.status === 'valid' && gotStandings[1]!.info.path, one.info.path);
  assert.equal(profile, '/p-1-link');
  assert.equal(sent.toString(), 'abcdef');
  assert.equal(received, 'delta');
  assert.deepEqual(gotEndings[0], endings[0]);
  assert.deepEqual(gotEndings[1]!.error!.toJSON(), error.toJSON());
});

test('what a handler throws answers that request alone', async () => {
  await using client = await connect({
    rebuild: () => Promise.reject(new NarrowError('refused', 'not today', { hint: 'tomorrow', data: { a: 1 } })),
    async send(_, __, send) {
      await send(Buffer.from('half'));
      throw new Error('a bug');
    },
  });
  const endless = Array.from({ length: 100 }, () => Buffer.alloc(1000));
  const rebuild = client.call(ops.rebuild, { paths: [], checkSignatures: true }, endless);
  await assert.rejects(rebuild, (error) => {
    assert.ok(isNarrowError(error, 'refused'));
    assert.deepEqual(error.toJSON(), { code: 'refused', message: 'not today', hint: 'tomorrow', a: 1 });
    return true;
  });
  await rejects(collect(client.stream(ops.send, { paths: [], whole: [] }).bytes), /a bug/);
  await rejects(client.call(ops.describe, { roots: [] }), /Describe is not allowed here/);
});
