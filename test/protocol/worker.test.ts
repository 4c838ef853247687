// Our client and our server in every version, and what a client does when the other side fails it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import { byPath } from '../../src/protocol/codec/realisation.ts';
import { Output } from '../../src/protocol/duplex.ts';
import { WorkerClient } from '../../src/protocol/worker/client.ts';
import { workerOperations as ops } from '../../src/protocol/worker/operations.ts';
import { serveWorker } from '../../src/protocol/worker/server.ts';
import type { WorkerServerOptions } from '../../src/protocol/worker/server.ts';
import type { Realisation } from '../../src/model/realisation.ts';
import { pair, playback, recording, rejects } from './pipe.ts';
import { sample } from './samples.ts';

const storeDir = '/nix/store';
const known = sample('known', 1000);

async function connect(options: Partial<WorkerServerOptions>): Promise<WorkerClient> {
  const [client, server] = pair();
  void serveWorker(server, { storeDir, handlers: {}, ...options }).catch(() => server.destroy());
  return WorkerClient.open(client, { storeDir });
}

for (const version of [21, 22, 23, 25, 27, 30, 31, 32, 33, 34, 35, 36, 37, 38]) {
  test(`worker protocol 1.${version}: client and server understand each other`, async () => {
    const got: Buffer[] = [];
    const { path: _, ...unkeyed } = known.info;
    await using client = await connect({
      version,
      trust: 'untrusted',
      handlers: {
        queryPathInfo: ({ path }) => (path === known.info.path ? unkeyed : undefined),
        queryValidPaths: ({ paths }) => paths.filter((p) => p === known.info.path),
        narFromPath: () => [known.nar],
        async addToStoreNar(request, { body, log }) {
          log({ kind: 'log', text: 'taking it\n' });
          assert.deepEqual(request.info, known.info);
          got.push(await collect(body));
        },
        addTempRoot() {},
      },
    });
    assert.equal(client.peer.version, version);
    assert.equal(client.peer.trust, version >= 35 ? 'untrusted' : 'unknown');
    const missing = sample('missing').info.path;
    const [info, none, valid, nar] = await Promise.all([
      client.call(ops.queryPathInfo, { path: known.info.path }),
      client.call(ops.queryPathInfo, { path: missing }),
      client.call(ops.queryValidPaths, { paths: [known.info.path, missing], substitute: false }),
      collect(client.nar(known.info.path).bytes),
    ]);
    assert.deepEqual(info, unkeyed);
    assert.equal(none, undefined);
    assert.deepEqual(valid, [known.info.path]);
    assert.deepEqual(nar, known.nar);
    const request = { info: known.info, repair: false, dontCheckSignatures: true };
    const slow = (async function* () {
      for (let i = 0; i < known.nar.length; i += 100) {
        await new Promise(setImmediate);
        yield Uint8Array.from(known.nar.subarray(i, i + 100));
      }
    })();
    await Promise.all([
      client.upload(ops.addToStoreNar, request, slow),
      client.call(ops.addTempRoot, { path: missing }),
    ]);
    assert.deepEqual(got, [known.nar]);
    if (version < 32)
      await rejects(
        client.upload(ops.addMultipleToStore, { repair: false, dontCheckSignatures: false }, []),
        /too old/,
      );
  });
}

test('an error is thrown to whoever asked, and the connection goes on', async () => {
  await using client = await connect({
    handlers: {
      isValidPath({ path }) {
        if (path === known.info.path) return true;
        throw new Error(
          "\x1b[31;1merror:\x1b[0m cannot add path '\x1b[35;1mx\x1b[0m' because it lacks a valid signature",
        );
      },
    },
  });
  const answers = await Promise.allSettled([
    client.call(ops.isValidPath, { path: sample('other').info.path }),
    client.call(ops.isValidPath, { path: known.info.path }),
    client.call(ops.addTempRoot, { path: known.info.path }),
  ]);
  assert.deepEqual(
    answers.map((a) => a.status),
    ['rejected', 'fulfilled', 'rejected'],
  );
  const { reason } = answers[0] as PromiseRejectedResult;
  assert.equal(reason.message, "the server: cannot add path 'x' because it lacks a valid signature");
  assert.equal(reason.code, 'refused');
});

test('an upload whose source fails throws the source error and leaves the connection good', async () => {
  for (const version of [22, 38]) {
    await using client = await connect({
      version,
      handlers: {
        async addToStoreNar(_request, { body }) {
          assert.equal((await collect(body)).length, known.nar.length);
        },
        isValidPath: () => true,
      },
    });
    const broken = (async function* () {
      yield known.nar.subarray(0, 200);
      throw new Error('the disk went away');
    })();
    const request = { info: known.info, repair: false, dontCheckSignatures: false };
    await rejects(client.upload(ops.addToStoreNar, request, broken), /the disk went away/);
    assert.equal(await client.call(ops.isValidPath, { path: known.info.path }), true);
  }
});

test('an upload that the daemon refuses at once is not sent to its end', async () => {
  let sent = 0;
  const endless = (async function* () {
    for (; sent < 100_000; sent++) {
      await new Promise(setImmediate);
      yield Buffer.alloc(40_000);
    }
  })();
  // our server reads the data before it says no, so the no is put into the line by hand
  const [near, far] = pair();
  const open = WorkerClient.open(near, { storeDir });
  const output = new Output(far);
  const script = recording('worker-1.34-session');
  await output.write(Buffer.concat([script[1]!.bytes, script[3]!.bytes]));
  await output.flush();
  const other = await open;
  const upload = other.upload(
    ops.addToStoreNar,
    { info: known.info, repair: false, dontCheckSignatures: false },
    endless,
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  await far.write(recording('worker-1.34-errors')[5]!.bytes);
  await rejects(upload, /the server: /);
  assert.ok(sent > 0 && sent < 100_000, String(sent));
});

test('many requests are written before the first reply is read', async () => {
  const [near, far] = pair();
  let asked = 0;
  const gate = Promise.withResolvers<void>();
  void serveWorker(far, {
    storeDir,
    handlers: {
      async isValidPath() {
        if (++asked === 1) await gate.promise;
        return true;
      },
    },
  });
  let written = 0;
  const counting = { ...near, write: (chunk: Uint8Array) => ((written += chunk.length), near.write(chunk)) };
  await using client = await WorkerClient.open(counting, { storeDir });
  const before = written;
  const answers = Array.from({ length: 500 }, () => client.call(ops.isValidPath, { path: known.info.path }));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(asked, 1);
  assert.ok(written - before >= 500 * 64, String(written - before));
  gate.resolve();
  assert.ok((await Promise.all(answers)).every(Boolean));
});

test('a conversation cut at any byte fails every request that has no answer', async () => {
  const script = recording('worker-1.34-session');
  const replies = Buffer.concat([script[1]!, script[3]!, script[7]!, script[11]!].map((r) => r.bytes));
  const path = known.info.path;
  for (let cut = 0; cut < replies.length; cut++) {
    const { duplex } = playback(replies.subarray(0, cut));
    await assert.rejects(async () => {
      const client = await WorkerClient.open(duplex, { storeDir });
      const all = await Promise.allSettled([
        client.call(ops.isValidPath, { path }),
        client.call(ops.queryPathInfo, { path }),
      ]);
      for (const answer of all) if (answer.status === 'rejected') throw answer.reason;
    }, /unexpected end of input|ended before it said anything/);
  }
});

test('what is no daemon is named by what it says', async () => {
  const { duplex } = playback(Buffer.from('Welcome to pi!\nnixd ready'));
  await rejects(WorkerClient.open(duplex, { storeDir }), /expected its greeting, got "Welcome to pi!"/);
});

test('too old, too new and wrong versions are told', async () => {
  const hello = (version: number): Buffer => {
    const bytes = Buffer.from('6f6978640000000000000000000000000000000000000000', 'hex');
    bytes.writeUInt16LE(version, 8);
    return bytes;
  };
  await rejects(
    WorkerClient.open(playback(hello(0x110)).duplex, { storeDir }),
    /protocol 1\.16; narrow speaks 1\.21 and later/,
  );
  await rejects(WorkerClient.open(playback(hello(0x205)).duplex, { storeDir }), /expected 1\.x, got 2\.5/);
});

test('features are those both know; realisations take the shape they name', async () => {
  const traced: Realisation = {
    kind: 'traced',
    drvPath: sample('x.drv').info.path,
    output: 'out',
    outPath: known.info.path,
    signatures: [],
  };
  const hashed: Realisation = {
    kind: 'hashed',
    id: `sha256:${'0'.repeat(64)}!out`,
    outPath: known.info.path,
    signatures: ['k:AAAA'],
    dependentRealisations: {},
  };
  for (const [features, realisation] of [
    [['unheard-of', byPath], traced],
    [[], hashed],
  ] as const) {
    const registered: Realisation[] = [];
    await using client = await connect({
      features,
      handlers: {
        registerDrvOutput: ({ realisation: r }) => void registered.push(r),
        queryRealisation: () => [{ outPath: realisation.outPath, realisation, signatures: [] }],
      },
    });
    assert.deepEqual(
      [...client.peer.features],
      features.filter((f) => f === byPath),
    );
    await client.call(ops.registerDrvOutput, { realisation });
    assert.deepEqual(registered, [realisation]);
    const [found] = await client.call(ops.queryRealisation, { key: realisation });
    assert.equal(found?.outPath, known.info.path);
  }
});

test('bulk data is one stream of infos and NARs', async () => {
  let received: Buffer = Buffer.alloc(0);
  await using client = await connect({
    handlers: {
      async addMultipleToStore(_request, { body }) {
        received = await collect(body);
      },
    },
  });
  await client.upload(ops.addMultipleToStore, { repair: false, dontCheckSignatures: true }, [known.nar, known.nar]);
  assert.deepEqual(received, Buffer.concat([known.nar, known.nar]));
});
