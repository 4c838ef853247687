import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNetrc } from '../../src/transport/netrc.ts';

test('machines, the default, any order of words and lines', () => {
  const netrc = parseNetrc(`# comment machine no
machine cache.example.org login me password secret
machine
  other.example.org
  password "with space \\" and quote"   login you account x
default login anonymous password guest
`);
  assert.deepEqual(
    { ...netrc.find('Cache.Example.ORG') },
    { machine: 'cache.example.org', login: 'me', password: 'secret' },
  );
  assert.equal(netrc.find('other.example.org')?.password, 'with space " and quote');
  assert.equal(netrc.find('other.example.org')?.login, 'you');
  assert.equal(netrc.find('third.example.org')?.login, 'anonymous');
});

test('without a default, unknown hosts get nothing', () => {
  assert.equal(parseNetrc('machine a login b password c').find('b'), undefined);
  assert.equal(parseNetrc('').find('b'), undefined);
});

test('macros are skipped up to an empty line', () => {
  const netrc = parseNetrc(
    'machine a login b password c\nmacdef init\nmachine evil login x password y\n\nmachine d login e password f\n',
  );
  assert.equal(netrc.find('evil'), undefined);
  assert.equal(netrc.find('d')?.login, 'e');
});

test('faults name the line and no secret', () => {
  assert.throws(
    () => parseNetrc('machine a login\n', '/x/netrc'),
    /bad netrc file in line 1 of \/x\/netrc: expected a word after 'login', got the end/,
  );
  assert.throws(
    () => parseNetrc('\nmachine a password "abc', 'n'),
    (error: Error) => {
      assert.match(error.message, /in line 2 of n: expected a closing quote/);
      assert.ok(!error.message.includes('abc'));
      return true;
    },
  );
});
