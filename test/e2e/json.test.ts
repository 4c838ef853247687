// docs/json.md: the members of every JSON value that commands print, and their types.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closure, keyPair } from '../lab/closures.ts';
import { freshStore } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { fails, narrow } from './narrow.ts';

const path = {
  path: 'string',
  narHash: 'string',
  narSize: 'number',
  references: ['string'],
  signatures: ['string'],
} as const;
const sized = [{ path: 'string', narSize: 'number' }];

/** Types in place of values; of an array the first element stands for all. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shapeOf(member)]));
}

async function shape(status: number, ...args: string[]): Promise<unknown> {
  const result = await narrow([...args, '--json'], { mayFail: true });
  assert.equal(result.status, status, `${args.join(' ')}\n${result.stderr}`);
  assert.match(result.stdout, /^.*\n?$/, 'one line');
  return shapeOf(JSON.parse(result.stdout));
}

const { root, top, drv, named } = await closure('signed');
const { root: unsigned } = await closure('basic');
const key = await keyPair('lab-1');
const cache = `file://${join(tempDir('json'), 'cache')}`;
const libc = named['libc'] ?? assert.fail('no libc');
const file = join(tempDir('json-file'), 'config');
writeFileSync(file, 'x');

const plan = {
  total: 'number',
  valid: 'number',
  missing: sized,
  signaturesToAdd: [],
  differs: [],
  refused: [],
  unsigned: 'number',
  substituted: [],
  route: { kind: 'string' },
  narSize: 'number',
};
const result = {
  copied: [{ path: 'string', bytes: 'number' }],
  bytes: 'number',
  bytesRead: 'number',
  directBytes: 'number',
  seconds: 'number',
};

/** The shape of a copy without its findings, which depend on the machine: each has these members, and may have a hint. */
async function copied(status: number, ...args: string[]): Promise<unknown> {
  const { preflight = [], ...rest } = (await shape(status, 'copy', ...args)) as Record<string, unknown>;
  for (const finding of preflight as Record<string, unknown>[]) {
    const { hint: _, ...always } = finding;
    assert.deepEqual(always, { level: 'string', subject: 'string', what: 'string' });
  }
  return rest;
}

test('push, and what is said of a cache', async () => {
  const kept = join(tempDir('json-cache'), 'kept');
  const made = {
    url: 'string',
    secretFile: 'string',
    publicKey: 'string',
    nixConf: ['string'],
    nixos: ['string'],
    nginx: ['string'],
    nixosServer: ['string'],
  };
  assert.deepEqual(await shape(0, 'cache', 'init', kept, '--key', key.secretFile, '--url', 'http://cache.home'), made);
  const pushed = (await shape(0, 'push', kept, '--from', root, '--key', key.secretFile, '--name', 'n', top)) as object;
  assert.deepEqual(
    { ...pushed, preflight: [] },
    {
      dryRun: 'boolean',
      plan: {
        total: 'number',
        valid: 'number',
        missing: sized,
        upstream: [],
        signaturesToAdd: [],
        differs: [],
        narSize: 'number',
      },
      preflight: [],
      secrets: [],
      pushed: [{ path: 'string', bytes: 'number' }],
      bytes: 'number',
      bytesRead: 'number',
      seconds: 'number',
      deltas: [],
      name: 'string',
      generation: 'number',
    },
  );
  const record = { name: 'string', time: 'number', paths: ['string'] };
  assert.deepEqual(await shape(0, 'cache', 'pin', kept, '--as', 'p', libc), {
    pins: [{ name: 'string', paths: ['string'] }],
  });
  assert.deepEqual(await shape(0, 'cache', 'ls', kept), {
    names: [
      {
        name: 'string',
        generations: [{ generation: 'number', time: 'number', paths: ['string'], signatures: ['string'] }],
      },
    ],
    pins: [record],
    damaged: [],
    deltas: [],
  });
  assert.deepEqual(await shape(0, 'cache', 'info', kept), {
    url: 'string',
    storeDir: 'string',
    deltasOnly: 'boolean',
    priority: 'number',
    paths: 'number',
    size: 'number',
    unnamed: 'number',
    free: 'number',
    upstreams: [],
    names: [{ name: 'string', generation: 'number', time: 'number' }],
    pins: 'number',
    pushing: 'number',
    collecting: 'boolean',
    damaged: 'number',
  });
  const sizes = { paths: 'number', narSize: 'number', fileSize: 'number' };
  assert.deepEqual(await shape(0, 'cache', 'stats', kept), {
    ...sizes,
    shared: 'number',
    deltaSize: 'number',
    packages: [{ name: 'string', versions: 'number', ...sizes }],
    months: [{ month: 'string', paths: 'number', fileSize: 'number' }],
  });
  rmSync(join(kept, `${libc.slice('/nix/store/'.length).slice(0, 32)}.narinfo`));
  assert.deepEqual(await shape(3, 'cache', 'verify', kept), {
    paths: 'number',
    bytes: 'number',
    problems: [{ kind: 'string', path: 'string', file: 'string', message: 'string' }],
    leftovers: { files: 'number', bytes: 'number' },
  });
  const problem = { kind: 'string', path: 'string', file: 'string', message: 'string' };
  assert.deepEqual(await shape(0, 'cache', 'repair', kept, '--from', root, '--no-trust'), {
    dryRun: 'boolean',
    problems: 'number',
    mended: [{ ...problem, mendedWith: 'string', from: 'string' }],
    unmended: [],
    removed: [],
    bytes: 'number',
  });
  assert.deepEqual(await shape(0, 'cache', 'sign', kept, '--key', (await keyPair('lab-2')).secretFile), {
    dryRun: 'boolean',
    signed: [{ path: 'string', signatures: ['string'] }],
    generations: [{ name: 'string', generation: 'number' }],
    unchanged: 'number',
    damaged: [],
  });
  await narrow(['push', kept, '--from', root, '--name', 'n', libc]);
  assert.deepEqual(await shape(0, 'cache', 'gc', kept, '--keep-generations', '1', '--grace', '0s'), {
    dryRun: 'boolean',
    url: 'string',
    paths: 'number',
    size: 'number',
    kept: { rooted: 'number', held: 'number', used: 'number' },
    removed: [{ path: 'string', fileSize: 'number', lastUsed: 'number' }],
    records: ['string'],
    leftovers: [],
    damaged: [],
    running: 'number',
    narsStay: 'boolean',
    bytes: 'number',
    files: 'number',
  });
  assert.deepEqual(await shape(0, 'cache', 'unpin', kept, 'p'), { unpinned: ['string'] });
});

test('copy, into a cache and out of it', async () => {
  const stored = [{ path: 'string', narSize: 'number', fileSize: 'number' }];
  const into = { dryRun: 'boolean', plan, ...result };
  assert.deepEqual(await copied(0, '--from', root, '--to', cache, top), into);
  assert.deepEqual(await copied(3, '--dry-run', '--from', cache, '--to', await freshStore(), top), {
    ...into,
    plan: {
      ...plan,
      missing: stored,
      refused: [{ path: 'string', why: 'string', hint: 'string' }],
      fileSize: 'number',
    },
    copied: [],
  });
  const trust = ['--trusted-public-key', key.publicKey];
  assert.deepEqual(await copied(0, ...trust, '--from', cache, '--to', await freshStore(), top), {
    ...into,
    plan: { ...plan, missing: stored, fileSize: 'number' },
  });
});

test('info, of a store and of a cache', async () => {
  const one = { ...path, deriver: 'string' };
  const stored = { ...one, registrationTime: 'number', ultimate: 'boolean' };
  assert.deepEqual(await shape(0, 'info', '--store', root, top), { [top]: stored });
  const file = { url: 'string', compression: 'string', downloadHash: 'string', downloadSize: 'number' };
  assert.deepEqual(await shape(0, 'info', '--store', cache, top), { [top]: { ...one, ...file } });
  const absent = '/nix/store/00000000000000000000000000000000-absent';
  assert.deepEqual(await shape(3, 'info', '--store', root, absent), { [absent]: 'null' });
});

test('export and import', async () => {
  const rows = [{ ...path, deriver: 'string' }];
  assert.deepEqual(await shape(0, 'export', '--dry-run', '--store', root, top), {
    narSize: 'number',
    paths: rows,
  });
  const stream = join(tempDir('json-export'), 'stream');
  writeFileSync(stream, (await narrow(['export', '-r', '--store', root, top])).bytes);
  const imported = { dryRun: 'boolean', paths: [{ path: 'string', status: 'string' }] };
  assert.deepEqual(await shape(0, 'import', '--no-check-sigs', '--store', await freshStore(), stream), imported);
  assert.deepEqual(await shape(3, 'import', '--dry-run', '--store', await freshStore(), stream), imported);
});

test('add, verify and sign', async () => {
  const { signatures: _, ...one } = path;
  const added = { ...one, references: [], ca: 'string', dryRun: 'boolean' };
  assert.deepEqual(await shape(0, 'add', '--dry-run', file), added);
  assert.deepEqual(await shape(0, 'add', '--store', await freshStore(), file), { ...added, status: 'string' });
  const checked = { paths: 'number', bytes: 'number', problems: [] as unknown[] };
  assert.deepEqual(await shape(0, 'verify', '--no-trust', '--store', unsigned, top), checked);
  const problem = { path: 'string', kind: 'string', message: 'string' };
  assert.deepEqual(await shape(3, 'verify', '--sigs', '1', '--store', unsigned, top), {
    ...checked,
    problems: [problem],
  });
  assert.deepEqual(await shape(0, 'sign', '--dry-run', '--key', key.secretFile, '--store', unsigned, top), {
    dryRun: 'boolean',
    signed: [{ path: 'string', signatures: ['string'] }],
    unchanged: 'number',
  });
});

test('shared, diff, why, sizes and missing', async () => {
  const store = ['--store', root];
  assert.deepEqual(await shape(0, 'shared', ...store, top, libc), [
    { roots: ['string'], narSize: 'number', paths: sized },
  ]);
  const change = {
    name: 'string',
    kind: 'string',
    before: [],
    after: ['string'],
    sizeDelta: 'number',
    removed: [],
    added: ['string'],
  };
  const sizes = { narSizeBefore: 'number', narSizeAfter: 'number' };
  assert.deepEqual(await shape(3, 'diff', ...store, libc, top), { changes: [change], ...sizes });
  assert.deepEqual(await shape(0, 'why', ...store, top, libc), ['string']);
  assert.deepEqual(await shape(3, 'why', ...store, libc, top), 'null');
  const own = { path: 'string', own: 'number', closure: 'number', added: 'number' };
  assert.deepEqual(await shape(0, 'sizes', ...store, top), { narSize: 'number', paths: [own] });
  const lacking = { total: 'number', missing: sized };
  assert.deepEqual(await shape(3, 'missing', '--from', root, '--store', await freshStore(), top), lacking);
});

test('doctor', async () => {
  const row = {
    url: 'string',
    reachable: 'boolean',
    kind: 'string',
    version: 'string',
    storeDir: 'string',
    writable: 'boolean',
    free: 'number',
    requireSigs: 'boolean',
    trustedKeys: ['string'],
    clockAhead: 'number',
    milliseconds: 'number',
    findings: [{ level: 'string', subject: 'string', what: 'string' }],
    advice: [],
  };
  assert.deepEqual(await shape(0, 'doctor', await freshStore()), {
    ok: 'boolean',
    stores: [row],
    substituters: [],
    keys: { keys: [], findings: [] },
  });
});

test('nar, drv, hash and key', async () => {
  assert.deepEqual(await shape(0, 'nar', 'list', '--store', root, libc), {
    version: 'number',
    root: shapeOf(
      (JSON.parse((await narrow(['nar', 'list', '--store', root, libc, '--json'])).stdout) as { root: unknown }).root,
    ),
  });
  assert.deepEqual(await shape(0, 'nar', 'hash', file), { narHash: 'string', narSize: 'number' });
  assert.ok(await shape(0, 'drv', 'show', '--store', root, drv));
  assert.deepEqual(await shape(0, 'hash', 'file', file), { [file]: 'string' });
  const secret = join(tempDir('json-key'), 'k');
  const made = { name: 'string', publicKey: 'string', secretFile: 'string', nixConf: 'string', nixos: 'string' };
  assert.deepEqual(await shape(0, 'key', 'generate', 'k-1', '--out', secret), made);
  assert.deepEqual(await shape(0, 'key', 'public', secret), { name: 'string', publicKey: 'string' });
});

test('errors, also of usage', async () => {
  const error = async (status: number, ...args: string[]): Promise<unknown> =>
    shapeOf(JSON.parse(await fails(status, [...args, '--json'])));
  const plain = { error: { code: 'string', message: 'string', hint: 'string' } };
  assert.deepEqual(await error(1, 'info', '--store', 'file:///nonexistent', top), plain);
  assert.deepEqual(await error(2, 'info', '--nonsense'), plain);
  assert.deepEqual(await error(2, 'export', top), plain);
  assert.deepEqual(await error(2, 'copy', top), plain);
});
