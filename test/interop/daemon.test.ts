// The store behind a real nix-daemon of every version: copies in and out, roots, signatures, users it does not trust.
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../src/bytes/source.ts';
import type { Realisation } from '../../src/model/realisation.ts';
import { realisationId } from '../../src/model/realisation.ts';
import { TrustedKeys } from '../../src/model/signature.ts';
import { defaultStoreDir, parseStorePath, printStorePath } from '../../src/model/store-path.ts';
import type { StorePath } from '../../src/model/store-path.ts';
import { WorkerClient } from '../../src/protocol/worker/client.ts';
import { workerOperations as ops } from '../../src/protocol/worker/operations.ts';
import type { DaemonStore } from '../../src/store/daemon.ts';
import { openDaemonStore } from '../../src/store/daemon.ts';
import { openStore } from '../../src/store/open.ts';
import type { OpenContext } from '../../src/store/open-context.ts';
import type { Item, Outcome, Store } from '../../src/store/store.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { connectUnix } from '../../src/transport/unix-socket.ts';
import { command } from '../e2e/narrow.ts';
import { closure, keyPair } from '../lab/closures.ts';
import { startHosts } from '../lab/hosts.ts';
import type { Hosts } from '../lab/hosts.ts';
import { nix, nixes } from '../lab/nix.ts';
import { run } from '../lab/run.ts';
import type { RunResult } from '../lab/run.ts';
import { tempDir } from '../lab/temp.ts';
import { sample } from '../protocol/samples.ts';

const settings = { get: () => undefined, list: () => undefined, flag: () => undefined };
const context: OpenContext = { settings, trustedKeys: new TrustedKeys(), warn: () => {} };
const parse = (path: string): StorePath => parseStorePath(defaultStoreDir, path);
const labels = ['2.8', '2.26', 'current'] as const;

function socketOf(lab: Hosts, host: string): string {
  return join(lab.root(host), 'nix/var/nix/daemon-socket/socket');
}

function openDaemon(lab: Hosts, host: string): Promise<DaemonStore> {
  return openDaemonStore(new URLSearchParams({ path: socketOf(lab, host) }), context);
}

async function outcomesOf(outcomes: AsyncIterable<Outcome>): Promise<Outcome[]> {
  return Array.fromAsync(outcomes);
}

async function* itemsOf(store: Store, paths: readonly string[]): AsyncGenerator<Item> {
  const infos = await store.pathInfos(paths.map(parse));
  for (const path of paths) {
    const info = infos.get(parse(path))!;
    yield { info, open: (options) => store.open(info, options) };
  }
}

for (const label of labels) {
  test(`Nix ${label}: a closure goes in and out of a store only its daemon may write, and Nix finds nothing to complain about`, async () => {
    const basic = await closure('basic');
    await using lab = await startHosts({ pi: { nix: label, daemon: true, readOnlyStore: true } });
    await using daemon = await openDaemon(lab, 'pi');
    await using source = await openStore(`local?root=${basic.root}`, context);
    const request = { source, destination: daemon, roots: [parse(basic.top)], checkSignatures: false };
    const { outcomes } = await copyClosure(request);
    assert.deepEqual(
      outcomes.map((o) => o.status),
      basic.paths.map(() => 'added'),
    );
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
    // a path that is there may still be told its realisations
    assert.ok((await copyClosure(request)).outcomes.every((o) => o.status === 'valid'));

    const back = tempDir('back');
    await using copy = await openStore(`local?root=${back}`, context, 'write');
    await copyClosure({ ...request, source: daemon, destination: copy as typeof daemon });
    assert.equal(await nix('2.8').complaints(back), undefined);
    const infos = await daemon.pathInfos(basic.paths.map(parse));
    const original = await source.pathInfos(basic.paths.map(parse));
    for (const [path, info] of original) {
      const { registrationTime: _time, ultimate: _ultimate, ...rest } = info;
      assert.deepEqual(
        { ...rest, narHash: [...info.narHash.bytes] },
        { ...pick(infos.get(path)!, rest), narHash: [...infos.get(path)!.narHash.bytes] },
      );
    }
  });

  test(`Nix ${label}: what is held or rooted stays when garbage is collected, the rest goes`, async () => {
    const basic = await closure('basic');
    await using lab = await startHosts({ pi: { nix: label, daemon: true } });
    const gc = (): Promise<unknown> => lab.exec('pi', ['nix-store', '--gc']);
    const { hello, greet } = basic.named as { hello: string; greet: string };
    await lab.seed('pi', basic.root, [hello, greet]);
    await using asking = await openDaemon(lab, 'pi');
    {
      await using daemon = await openDaemon(lab, 'pi');
      await daemon.hold([parse(hello)]);
      assert.equal((await daemon.pathInfos([parse(hello)])).size, 1);
      await gc();
      assert.deepEqual([...(await daemon.pathInfos([hello, greet].map(parse))).keys()], [parse(hello)]);
      await daemon.addRoot(join(lab.root('pi'), 'root/result'), parse(hello));
      const profile = join(lab.root('pi'), 'nix/var/nix/profiles/test');
      const generation = await daemon.setProfile(profile, parse(hello));
      assert.equal(readlinkSync(generation), hello);
      await assert.rejects(daemon.addRoot(join(lab.root('pi'), 'root/other'), parse(greet)), { code: 'missing' });
    }
    await gc();
    assert.equal((await asking.pathInfos([parse(hello)])).size, 1);
  });

  test(`Nix ${label}: signatures made later are added, and not to other contents`, async () => {
    const signed = await closure('signed');
    const basic = await closure('basic');
    await using lab = await startHosts({ pi: { nix: label, daemon: true } });
    await lab.seed('pi', basic.root, [basic.top]);
    await using daemon = await openDaemon(lab, 'pi');
    await using source = await openStore(`local?root=${signed.root}`, context);
    await copyClosure({ source, destination: daemon, roots: [parse(signed.top)], checkSignatures: false });
    const info = (await daemon.pathInfos([parse(signed.top)])).get(parse(signed.top))!;
    assert.equal(info.signatures.length, 2);
    const other = sample('other').info.narHash;
    await assert.rejects(daemon.addSignatures(info.path, other, info.signatures), { code: 'differs' });
    await assert.rejects(daemon.addSignatures(sample('other').info.path, other, []), { code: 'missing' });
  });

  test(`Nix ${label}: one bad path of a stream fails by name with those that need it, the others are added`, async () => {
    const basic = await closure('basic');
    await using lab = await startHosts({ pi: { nix: label, daemon: true } });
    await using daemon = await openDaemon(lab, 'pi');
    await using source = await openStore(`local?root=${basic.root}`, context);
    const bad = parse(basic.named['ncurses']!);
    const items = (async function* () {
      for await (const item of itemsOf(source, basic.paths)) {
        if (item.info.path !== bad) yield item;
        else yield { ...item, open: async () => ({ encoding: 'none', bytes: [Buffer.from('no NAR')] }) };
      }
    })();
    const outcomes = await outcomesOf(daemon.add(items, { checkSignatures: false }));
    assert.equal(outcomes.length, basic.paths.length);
    const failed = outcomes.filter((o) => o.status === 'failed');
    assert.equal(failed[0]?.path, bad);
    assert.ok(failed.length > 1 && failed.length < outcomes.length, `${failed.length} failed`);
    const added = outcomes.filter((o) => o.status === 'added').map((o) => o.path);
    assert.equal(added.length + failed.length, outcomes.length);
    const valid = await daemon.pathInfos(basic.paths.map(parse));
    assert.deepEqual([...valid.keys()].sort(), added.sort());
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  });

  test(`Nix ${label}: users it does not trust bring what is signed or proves itself, and hear of the rest before it moves`, async () => {
    const [signed, basic, { publicKey }] = [await closure('signed'), await closure('basic'), await keyPair('lab-1')];
    await using lab = await startHosts({
      pi: {
        nix: label,
        daemon: true,
        readOnlyStore: true,
        trustedKeys: [publicKey],
        users: [{ name: 'bob' }, { name: 'alice', trusted: true }],
      },
    });
    const caches = new Map<string, string>();
    const copy = async (user: string, from: string, ...args: string[]): Promise<RunResult> => {
      const cache = caches.get(from) ?? tempDir('cache');
      caches.set(from, cache);
      await run(['chmod', '755', cache]);
      await lab.exec('pi', [
        command,
        'copy',
        '--from',
        `local?root=${from}`,
        '--to',
        `file://${cache}?compression=none`,
        args.at(-1)!,
      ]);
      return lab.exec('pi', [command, 'copy', '--from', `file://${cache}`, '--to', 'auto', ...args], {
        user,
        mayFail: true,
      });
    };
    const unsigned = await copy('bob', basic.root, basic.top);
    assert.equal(unsigned.status, 1, unsigned.stderr);
    assert.match(unsigned.stderr, /lacks a valid signature by a trusted key/);
    const vouched = await copy('bob', basic.root, '--no-check-sigs', basic.top);
    assert.equal(vouched.status, 1, vouched.stderr);
    assert.match(vouched.stderr, /signature/);
    assert.equal((await copy('bob', basic.root, '--no-check-sigs', basic.drv)).stderr.includes('error'), false);
    const good = await copy('bob', signed.root, signed.top);
    assert.equal(good.status, 0, good.stderr);
    const rebuilt = await closure('rebuilt');
    assert.equal((await copy('alice', rebuilt.root, rebuilt.top)).status, 1);
    const trusted = await copy('alice', rebuilt.root, '--no-check-sigs', rebuilt.top);
    assert.equal(trusted.status, 0, trusted.stderr);
    assert.equal(await nix('2.8').complaints(lab.root('pi')), undefined);
  });

  test(`Nix ${label}: clients of every version are understood`, async () => {
    await using lab = await startHosts({ pi: { nix: label, daemon: true } });
    for (const version of [21, 22, 23, 25, 26, 27, 29, 31, 32, 33, 34, 35, 36, 37, 38]) {
      const { info, nar } = sample(`v${version}`, 100_000);
      const duplex = await connectUnix(socketOf(lab, 'pi'), 'the daemon');
      await using client = await WorkerClient.open(duplex, { storeDir: defaultStoreDir, version });
      assert.ok(client.peer.version <= version);
      const request = { info: { ...info, signatures: [] }, repair: false, dontCheckSignatures: true };
      await client.upload(ops.addToStoreNar, request, [nar.subarray(0, 70_000), nar.subarray(70_000)]);
      const [known, valid, bytes] = await Promise.all([
        client.call(ops.queryPathInfo, { path: info.path }),
        client.call(ops.queryValidPaths, { paths: [info.path], substitute: false }),
        collect(client.nar(info.path).bytes),
      ]);
      assert.equal(known?.narSize, nar.length);
      assert.deepEqual(valid, [info.path]);
      assert.deepEqual(bytes, nar);
      const bad = { ...request, info: { ...sample(`bad${version}`).info, narHash: info.narHash } };
      await assert.rejects(client.upload(ops.addToStoreNar, bad, [sample(`bad${version}`).nar]), { code: 'integrity' });
      assert.equal(await client.call(ops.isValidPath, { path: info.path }), true);
    }
  });
}

test('realisations of content-addressed outputs go through every daemon', async () => {
  const ca = await closure('ca');
  for (const { label } of nixes()) {
    await using lab = await startHosts({
      pi: { nix: label === '2.8' || label === '2.26' ? label : 'current', daemon: true },
    });
    await using daemon = await openDaemon(lab, 'pi');
    await using source = await openStore(`local?root=${ca.root}`, context);
    const { flat, leaf, md5, sha1 } = ca.named as Record<string, string>;
    // newer Nix computes other hashes of outputs that contain their own path, and takes those of 2.8 from nobody
    const roots = [...(label === '2.8' ? [ca.top] : [flat!, leaf!, md5!, sha1!]), ca.drv].map(parse);
    const { outcomes } = await copyClosure({ source, destination: daemon, roots, checkSignatures: false });
    assert.ok(
      outcomes.every((o) => o.status === 'added'),
      label,
    );
    await using there = await openStore(`local?root=${lab.root('pi')}`, context);
    const infos = [...(await daemon.pathInfos(ca.paths.map(parse))).values()].filter((i) => i.ca);
    const ids = (list: readonly Realisation[]): string[] => list.map((r) => realisationId(r)).sort();
    const expected = ids(await source.realisations(infos));
    assert.ok(expected.length >= 4);
    assert.deepEqual(ids(await there.realisations(infos)), expected, label);
    // the daemon is asked by derivation: what was built from one that is not there, it cannot tell
    const told = ids(await daemon.realisations(infos));
    assert.ok(told.length >= 3 && told.every((id) => expected.includes(id)), label);
  }
});

test('where nobody listens, and where the daemon goes away', async () => {
  const dir = tempDir('socket');
  const nobody = openDaemonStore(new URLSearchParams({ path: join(dir, 'socket') }), context);
  await assert.rejects(nobody, { code: 'unavailable', message: /there is no such socket/ });
  const basic = await closure('basic');
  await using lab = await startHosts({ pi: { nix: 'current', daemon: true } });
  await lab.seed('pi', basic.root, [basic.top]);
  await using daemon = await openDaemon(lab, 'pi');
  assert.equal((await daemon.pathInfos([parse(basic.top)])).size, 1);
  await lab.exec('pi', ['sh', '-c', 'kill -9 $(pgrep -P $(pgrep -o nix-daemon))']);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const info = await daemon.pathInfos([parse(basic.top)]).catch((error: unknown) => error);
  if (info instanceof Error) assert.match(info.message, /closed the connection/);
  // a connection that broke is not used again
  assert.equal((await daemon.pathInfos([parse(basic.top)])).size, 1);
  assert.equal(printStorePath(daemon.storeDir, parse(basic.top)), basic.top);
});

/** The fields of `info` that `like` has. */
function pick(info: object, like: object): Record<string, unknown> {
  return Object.fromEntries(Object.keys(like).map((key) => [key, (info as Record<string, unknown>)[key]]));
}
