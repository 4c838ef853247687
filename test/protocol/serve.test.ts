// Our client and our server of the serve protocol, and what a client does when the other side fails it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import { ServeClient } from '../../src/protocol/serve/client.ts';
import { serveOperations as ops } from '../../src/protocol/serve/operations.ts';
import { serveStore } from '../../src/protocol/serve/server.ts';
import type { ServeHandlers } from '../../src/protocol/serve/server.ts';
import { pair, playback, recording, rejects } from './pipe.ts';
import { sample } from './samples.ts';

const storeDir = '/nix/store';
const one = sample('one', 1000);
const two = sample('two', 200_000);

function connect(handlers: ServeHandlers, version?: number): ServeClient {
  const [client, server] = pair();
  void serveStore(server, { storeDir, handlers, version }).catch(() => server.destroy());
  return new ServeClient(client, { storeDir });
}

for (const version of [5, 6, 7]) {
  test(`serve protocol 2.${version}: client and server understand each other`, async () => {
    const added: Buffer[] = [];
    await using client = connect(
      {
        queryValidPaths: ({ paths, lock }) => (lock ? paths : []),
        queryPathInfos: () => [one.info, two.info],
        dumpStorePath: ({ path }) => [path === one.info.path ? one.nar : two.nar],
        async addToStoreNar({ info }, body) {
          assert.deepEqual(info, info.path === one.info.path ? one.info : two.info);
          added.push(await collect(body));
        },
      },
      version,
    );
    const paths = [one.info.path, two.info.path];
    // all at once, before the greeting: replies come in order
    const dumps = paths.map((path) => client.dump(path));
    const [valid, infos, , , first, second] = await Promise.all([
      client.call(ops.queryValidPaths, { lock: true, substitute: false, paths }),
      client.call(ops.queryPathInfos, { paths }),
      client.add(one.info, [one.nar]),
      client.add(two.info, [two.nar]),
      collect(dumps[0]!.bytes),
      collect(dumps[1]!.bytes),
    ]);
    assert.deepEqual(valid, paths);
    assert.deepEqual(
      infos.map((i) => i.narHash),
      [one.info.narHash, two.info.narHash],
    );
    assert.deepEqual([first, second], [one.nar, two.nar]);
    assert.deepEqual(added, [one.nar, two.nar]);
    assert.equal((await client.ready).version, version);
  });
}

test('of queued adds those before the failing one count, and none after', async () => {
  let count = 0;
  await using client = connect({
    addToStoreNar() {
      if (++count === 4) throw new Error('no space');
    },
  });
  const adds = Array.from({ length: 8 }, (_, i) => sample(`item-${i}`)).map(({ info, nar }) => client.add(info, [nar]));
  const states = (await Promise.allSettled(adds)).map((a) => a.status);
  assert.deepEqual(states, [...Array(3).fill('fulfilled'), ...Array(5).fill('rejected')]);
  assert.ok(client.broken);
});

test('a source that fails in the middle ends the conversation with its own error', async () => {
  await using client = connect({ addToStoreNar: async (_request, body) => void (await collect(body)) });
  await client.add(one.info, [one.nar]);
  const broken = (async function* () {
    yield two.nar.subarray(0, 1000);
    throw new Error('the disk went away');
  })();
  await rejects(client.add(two.info, broken), /the disk went away/);
  await rejects(client.add(one.info, [one.nar]), /the disk went away/);
});

test('a conversation cut at any byte fails every request that has no answer', async () => {
  const script = recording('serve-2.7-session');
  const replies = Buffer.concat([script[1]!, script[3]!, script[5]!, script[7]!].map((r) => r.bytes));
  const { path } = one.info;
  for (let cut = 0; cut < replies.length; cut++) {
    const { duplex } = playback(replies.subarray(0, cut));
    const client = new ServeClient(duplex, { storeDir });
    const all = await Promise.allSettled([
      client.call(ops.queryValidPaths, { lock: true, substitute: false, paths: [path] }),
      client.call(ops.queryPathInfos, { paths: [path] }),
      collect(client.dump(path).bytes),
    ]);
    const failed = all.filter((a) => a.status === 'rejected');
    assert.ok(failed.length > 0, `cut at ${cut}`);
    for (const { reason } of failed) assert.match(reason.message, /unexpected end of|ended before it said anything/);
  }
});

test('a login shell that prints into the stream is told by what it printed', async () => {
  const { duplex } = playback(
    Buffer.concat([Buffer.from('\x1b[1mwelcome\x1b[0m\n'), recording('serve-2.7-session')[1]!.bytes]),
  );
  const client = new ServeClient(duplex, { storeDir });
  await rejects(client.ready, /expected its greeting, got "welcome"/);
  await rejects(client.call(ops.queryPathInfos, { paths: [] }), /got "welcome"/);
});

test('a server of 2.4 is too old', async () => {
  const hello = Buffer.from('cbee5254000000000402000000000000', 'hex');
  await rejects(
    new ServeClient(playback(hello).duplex, { storeDir }).ready,
    /speaks serve protocol 2\.4; narrow speaks 2\.5/,
  );
});
