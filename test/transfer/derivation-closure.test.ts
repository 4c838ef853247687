// From outputs to derivations and back, over generated closures.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrustedKeys } from '../../src/model/signature.ts';
import { parseBaseName } from '../../src/model/store-path.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { openWritable } from '../../src/store/open.ts';
import { copyClosure } from '../../src/transfer/copy.ts';
import { derivationRoots } from '../../src/transfer/derivation-closure.ts';
import { settingsOf } from '../contract/context.ts';
import { nix } from '../lab/nix.ts';
import { tempDir } from '../lab/temp.ts';
import { addOutput, generateDerivations } from './generated-derivations.ts';

test('a derivation is its own root, an output has its deriver', async () => {
  const { store, all } = await generateDerivations(3);
  await addOutput(store, all[2]!, []);
  assert.deepEqual(await derivationRoots(store, [all[0]!.path, all[2]!.output, all[2]!.path]), [
    all[0]!.path,
    all[2]!.path,
  ]);
});

test('what is not valid, has no deriver, or has lost it, is named', async () => {
  const { store, all } = await generateDerivations(2);
  const absent = all[0]!.output;
  await assert.rejects(derivationRoots(store, [absent]), { code: 'missing', message: /does not have .*-tiny-0$/ });
  const ghost = { path: parseBaseName(`${'0'.repeat(32)}-gone.drv`), output: all[1]!.output };
  await addOutput(store, ghost, []);
  await assert.rejects(derivationRoots(store, [all[1]!.output]), {
    code: 'missing',
    message: /does not have 0+-gone\.drv, which .*-tiny-1 was built by$/,
  });
});

test('outputs that are there come along with what they need, others do not', async () => {
  const { store, all } = await generateDerivations(6);
  const [a, b, c, top] = [all[1]!, all[3]!, all[4]!, all[5]!];
  await addOutput(store, a, []);
  await addOutput(store, b, [a.output]);
  await addOutput(store, c, [b.output]);
  const request = { source: store, roots: [top.path] };
  const plain = await copyClosure({ ...request, destination: memoryStore() });
  assert.equal(plain.outcomes.length, 6);
  const destination = memoryStore();
  const { outcomes, plan } = await copyClosure({ ...request, destination, includeOutputs: true });
  const copied = outcomes.map((o) => o.path);
  assert.deepEqual(copied.filter((p) => !p.endsWith('.drv')).sort(), [a.output, b.output, c.output].sort());
  assert.equal(plan.total, 9);
  assert.ok(copied.indexOf(a.output) < copied.indexOf(b.output));
});

test('derivations that come with an output bring their outputs', async () => {
  const { store, all } = await generateDerivations(4);
  await addOutput(store, all[0]!, []);
  // refers to a derivation that nothing else needs
  await addOutput(store, all[1]!, [all[0]!.path]);
  const destination = memoryStore();
  const roots = [all[1]!.path];
  const { plan } = await copyClosure({ source: store, destination, roots, includeOutputs: true });
  assert.equal(plan.total, 4);
});

test('two thousand derivations go into a store that Nix finds clean', async () => {
  const { store, all } = await generateDerivations(2000);
  const root = tempDir('drvs');
  const context = { settings: settingsOf(), trustedKeys: new TrustedKeys(), warn: () => {} };
  await using destination = await openWritable(`local?root=${root}`, context);
  const roots = [all.at(-1)!.path];
  const { outcomes } = await copyClosure({ source: store, destination, roots });
  assert.equal(outcomes.filter((o) => o.status === 'added').length, 2000);
  assert.equal(await nix('2.8').complaints(root), undefined);
  const outputs = await nix('2.8').store(root, '--query', '--outputs', `/nix/store/${roots[0]}`);
  assert.equal(outputs, `/nix/store/${all.at(-1)!.output}`);
});
