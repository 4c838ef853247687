// NARs asked for ahead over connections that answer in order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../../src/bytes/source.ts';
import { ServeClient } from '../../../src/protocol/serve/client.ts';
import { serveStore } from '../../../src/protocol/serve/server.ts';
import { Fetcher } from '../../../src/store/remote/fetcher.ts';
import { pair } from '../../protocol/pipe.ts';
import { sample } from '../../protocol/samples.ts';
import type { Sample } from '../../protocol/samples.ts';

interface Place {
  readonly fetcher: Fetcher;
  /** Paths in the order they were asked for, by connection. */
  readonly asked: string[][];
}

function place(samples: readonly Sample[], maxLanes: number): Place {
  const nars = new Map<string, Buffer>(samples.map((s) => [s.info.path, s.nar]));
  const asked: string[][] = [];
  const openLane = async () => {
    const [near, far] = pair();
    const mine: string[] = [];
    asked.push(mine);
    const dumpStorePath = ({ path }: { path: string }) => {
      mine.push(path);
      return [nars.get(path)!];
    };
    void serveStore(far, { storeDir: '/nix/store', handlers: { dumpStorePath } }).catch(() => far.destroy());
    const client = new ServeClient(near, { storeDir: '/nix/store' });
    return {
      nar: (path: Sample['info']['path']) => client.dump(path),
      get broken() {
        return client.broken;
      },
    };
  };
  return { fetcher: new Fetcher({ openLane, maxLanes }), asked };
}

const all = (sizes: readonly number[]): Sample[] => sizes.map((size, i) => sample(`nar-${i}`, size));
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

test('what is expected is asked for before anybody opens it, and comes in any order of opening', async () => {
  const samples = all([100, 2000, 300, 4000, 50]);
  const { fetcher, asked } = place(samples, 1);
  fetcher.expect(samples.map((s) => s.info));
  await settled();
  assert.deepEqual(asked, [samples.map((s) => s.info.path)]);
  for (const s of samples.toReversed()) assert.deepEqual(await collect(fetcher.fetch(s.info)), s.nar);
});

test('no more than a window is asked for ahead', async () => {
  const samples = all(Array.from({ length: 60 }, () => 900_000));
  const { fetcher, asked } = place(samples, 1);
  fetcher.expect(samples.map((s) => s.info));
  await settled();
  assert.ok(asked[0]!.length < 25, String(asked[0]!.length));
  for (const s of samples) assert.deepEqual(await collect(fetcher.fetch(s.info)), s.nar);
  assert.equal(asked[0]!.length, 60);
});

test('many bytes take several connections, few take one', async () => {
  const samples = all([3_000_000, 3_000_000, 3_000_000, 3_000_000, 3_000_000, 3_000_000]);
  const { fetcher, asked } = place(samples, 4);
  fetcher.expect(samples.map((s) => s.info));
  const nars = await Promise.all(samples.map((s) => collect(fetcher.fetch(s.info))));
  assert.deepEqual(
    nars,
    samples.map((s) => s.nar),
  );
  assert.ok(asked.length >= 2 && asked.length <= 4, String(asked.length));
});

test('a large one that nobody opens does not stop those behind it', async () => {
  const samples = all([2_000_000, 2_000_000, 100]);
  const { fetcher } = place(samples, 1);
  fetcher.expect(samples.map((s) => s.info));
  assert.deepEqual(await collect(fetcher.fetch(samples[1]!.info)), samples[1]!.nar);
  assert.deepEqual(await collect(fetcher.fetch(samples[0]!.info)), samples[0]!.nar);
});

test('who stops reading ends the connection, and others get theirs over another', async () => {
  const samples = all([2_000_000, 2_000_000]);
  const { fetcher, asked } = place(samples, 1);
  fetcher.expect(samples.map((s) => s.info));
  for await (const chunk of fetcher.fetch(samples[0]!.info)) {
    assert.ok(chunk.length > 0);
    break;
  }
  assert.deepEqual(await collect(fetcher.fetch(samples[1]!.info)), samples[1]!.nar);
  assert.deepEqual(await collect(fetcher.fetch(samples[0]!.info)), samples[0]!.nar);
  assert.ok(asked.length >= 2);
});
