import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { parseSshHost, quoteWord, splitWords } from '../../src/transport/ssh-words.ts';

const hosts: [string, string, string, string | undefined][] = [
  ['pi1', 'pi1', 'pi1', undefined],
  ['me@pi1', 'me@pi1', 'pi1', undefined],
  ['me@pi1:2222', 'me@pi1', 'pi1', '2222'],
  ['[fe80::1%eth0]:22', 'fe80::1%eth0', 'fe80::1%eth0', '22'],
  ['me@[::1]', 'me@::1', '::1', undefined],
  ['pi1/', 'pi1', 'pi1', undefined],
];
for (const [text, destination, host, port] of hosts) {
  test(`ssh host ${text}`, () => assert.deepEqual(parseSshHost(text), { destination, host, port }));
}

for (const text of ['-oProxyCommand=x', '%2doProxyCommand=x', 'me@-oProxyCommand=x', '-l@host']) {
  test(`ssh host ${text} is refused`, () => {
    assert.throws(() => parseSshHost(text), { code: 'refused', message: /would take it for an option/ });
  });
}

for (const text of ['', 'a b', 'host:port', 'host/dir', 'a@b@c', 'host%0a', '[::1', 'host:1234567']) {
  test(`'${text}' is no ssh host`, () => assert.throws(() => parseSshHost(text), { code: 'usage' }));
}

const splits: [string, string[]][] = [
  ['', []],
  ['  -p 22\t-v\n', ['-p', '22', '-v']],
  [`-o 'ProxyCommand=nc %h %p' -i "my key"`, ['-o', 'ProxyCommand=nc %h %p', '-i', 'my key']],
  [`a\\ b "c\\"d\\e" ''`, ['a b', 'c"d\\e', '']],
  [`-oUser="$USER" '$x'`, ['-oUser=$USER', '$x']],
];
for (const [text, words] of splits) {
  test(`NIX_SSHOPTS ${JSON.stringify(text)}`, () => assert.deepEqual(splitWords(text, 'NIX_SSHOPTS'), words));
}

test('NIX_SSHOPTS with an open quote is told', () => {
  assert.throws(() => splitWords(`-o "x`, 'NIX_SSHOPTS'), {
    code: 'usage',
    message: /NIX_SSHOPTS ends within a double quote/,
  });
  assert.throws(() => splitWords(`-o 'x`, 'NIX_SSHOPTS'), /a single quote/);
  assert.throws(() => splitWords('x\\', 'NIX_SSHOPTS'), /a backslash/);
});

test('any word passes through sh, bash and fish as it is', () => {
  const words = [
    'plain',
    'a b',
    `it's "q"`,
    '$HOME `id` $(id)',
    '*?[a]{b,c}',
    '~',
    '!x',
    '\\',
    '\\n',
    '#c',
    '<>|&;()',
    '=x',
    '^%@',
    'grün',
    '',
    'local?root=/mnt/a b&x=1',
  ];
  for (const shell of ['sh', 'bash', 'fish']) {
    const command = `printf '%s\\n' ${words.map(quoteWord).join(' ')}`;
    const out = execFileSync(shell, ['-c', command], { encoding: 'utf8', cwd: '/' });
    assert.deepEqual(out.split('\n').slice(0, -1), words, shell);
  }
  assert.throws(() => quoteWord('a\nb'), { code: 'usage' });
});
