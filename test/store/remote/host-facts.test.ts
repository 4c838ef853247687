// What a machine says of itself beside the protocol.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPublicKey, generateKey } from '../../../src/model/signature.ts';
import { readHostFacts } from '../../../src/store/remote/host-facts.ts';
import type { HostFacts } from '../../../src/store/remote/host-facts.ts';

const read = (...lines: string[]): HostFacts => readHostFacts(lines.join('\n'), { asked: 1000, answered: 1004 });

test('the clock, as exactly as the answer was quick', () => {
  assert.deepEqual(read('narrow-clock 1600').clock, { ahead: 598, within: 3 });
  assert.equal(read('narrow-clock ').clock, undefined);
  assert.equal(read('date: not found').clock, undefined);
});

test('room: the last line of df, whatever stands in its first column', () => {
  const head = 'narrow-room Filesystem     1024-blocks    Used Available Capacity Mounted on';
  assert.deepEqual(read(head, 'narrow-room /dev/vda 263000000 34000000 61000000 36% /').space, {
    where: '/',
    free: 61_000_000 * 1024,
    exact: true,
  });
  assert.equal(read(head, 'narrow-room a b c 1 1 7 36% /a disk').space?.where, '/a disk');
  assert.equal(read(head).space, undefined);
});

test('whom the daemon trusts: by name, by group, all, and root whatever is set', () => {
  const trust = (user: string, set?: string): HostFacts['trust'] =>
    read(`narrow-user ${user}`, ...(set === undefined ? [] : [`narrow-set trusted-users = ${set}`])).trust;
  assert.equal(trust('0 root root', ''), 'trusted');
  assert.equal(trust('1000 bob bob wheel', 'root @wheel'), 'trusted');
  assert.equal(trust('1000 bob bob wheel', 'root bob'), 'trusted');
  assert.equal(trust('1000 bob bob', '*'), 'trusted');
  assert.equal(trust('1000 bob bob', 'root @wheel bobby'), 'untrusted');
  assert.equal(trust('1000 bob bob', ''), 'untrusted');
  assert.equal(trust('1000 bob bob'), undefined);
});

test('what it asks of signatures; keys by their names', () => {
  const rules = read('narrow-set require-sigs = true', 'narrow-set trusted-public-keys = a-1:AAAA= b:BBBB=');
  assert.deepEqual(rules.signatures, { required: true, trustedKeys: ['a-1', 'b'] });
  const [one, other] = [generateKey('k').publicKey, generateKey('k').publicKey].map(formatPublicKey);
  const full = read('narrow-set require-sigs = true', `narrow-set trusted-public-keys = ${one} ${other}`);
  assert.deepEqual(full.signatures?.publicKeys?.keys().map(formatPublicKey), [one, other]);
  const none = read('narrow-set require-sigs = false').signatures;
  assert.deepEqual([none?.required, none?.trustedKeys], [false, []]);
  assert.equal(read('narrow-set sandbox = true').signatures, undefined);
});
