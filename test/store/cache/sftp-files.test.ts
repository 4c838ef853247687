// A cache's files over OpenSSH's own server, and over one with nothing but the protocol.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { collect } from '../../../src/bytes/source.ts';
import { SftpClient } from '../../../src/protocol/sftp/client.ts';
import { SftpFiles } from '../../../src/store/cache/sftp-files.ts';
import { SshHostConnection } from '../../../src/transport/ssh.ts';
import { tempDir } from '../../lab/temp.ts';

const server = '/usr/lib/openssh/sftp-server';

async function open(root: string, ...args: string[]): Promise<SftpFiles> {
  const connection = new SshHostConnection({ name: 'sftp://pi', place: 'localhost', params: new URLSearchParams() });
  const client = await SftpClient.open(connection.start([server, ...args]));
  const elsewhere = (): Promise<undefined> => assert.fail('no other host is asked');
  return new SftpFiles(client, { url: 'sftp://pi/cache', root, sync: false, elsewhere });
}

const kinds: readonly (readonly [what: string, args: readonly string[]])[] = [
  ['as it is', []],
  ['without extensions', ['-P', 'posix-rename,hardlink,fsync,statvfs,limits']],
];

for (const [what, args] of kinds) {
  void suite(what, () => {
    test('a large file goes up and down, whole and from the middle', async () => {
      const root = tempDir('sftp');
      await using files = await open(root, ...args);
      const bytes = randomBytes(9_000_001);
      {
        await using staged = await files.stage();
        for (let at = 0; at < bytes.length; at += 100_003) {
          const chunk = Buffer.from(bytes.subarray(at, at + 100_003));
          await staged.write(chunk);
          chunk.fill(0);
        }
        await staged.commit('nar/large', 'application/x-nix-nar');
      }
      assert.ok(readFileSync(join(root, 'nar/large')).equals(bytes));
      const whole = await files.open('nar/large');
      assert.equal(whole?.size, bytes.length);
      assert.ok((await collect(whole.bytes)).equals(bytes));
      const part = await files.open('nar/large', { offset: 5_000_000, length: 100_000 });
      assert.ok((await collect(part!.bytes)).equals(bytes.subarray(5_000_000, 5_100_000)));
      assert.equal((await collect((await files.open('nar/large', { offset: 9_000_001 }))!.bytes)).length, 0);
      assert.deepEqual(readdirSync(join(root, 'nar')), ['large']);
    });

    test('a file is replaced, removed, and no error when it is gone', async () => {
      const root = tempDir('sftp');
      await using files = await open(root, ...args);
      await files.write('a.narinfo', Buffer.from('first'), 'text/plain');
      await files.write('a.narinfo', Buffer.from('second'), 'text/plain');
      assert.equal((await files.read('a.narinfo', 100))?.toString(), 'second');
      assert.equal((await files.stat('a.narinfo'))?.size, 6);
      await files.remove('a.narinfo');
      await files.remove('a.narinfo');
      assert.equal(await files.read('a.narinfo', 100), undefined);
      assert.equal(await files.stat('a.narinfo'), undefined);
      assert.deepEqual(readdirSync(root), []);
    });

    test('a NAR that another has written meanwhile is left alone, and one of another size is replaced', async () => {
      const root = tempDir('sftp');
      await using files = await open(root, ...args);
      const put = async (bytes: string): Promise<void> => {
        await using staged = await files.stage();
        await staged.write(Buffer.from(bytes));
        await staged.commit('nar/x.nar', 'application/x-nix-nar');
      };
      await put('whole');
      const { ino } = statSync(join(root, 'nar/x.nar'));
      await put('whole');
      if (args.length > 0) assert.equal(statSync(join(root, 'nar/x.nar')).ino, ino);
      writeFileSync(join(root, 'nar/x.nar'), 'cut');
      await put('whole');
      assert.equal(readFileSync(join(root, 'nar/x.nar'), 'utf8'), 'whole');
      assert.deepEqual(readdirSync(join(root, 'nar')), ['x.nar']);
    });

    test('of many that create one file, one wins', async () => {
      const root = tempDir('sftp');
      await using files = await open(root, ...args);
      await using others = await open(root, ...args);
      const numbers = Array.from({ length: 20 }, (_, i) => i);
      const won = await Promise.all(
        numbers.map((i) => (i % 2 ? files : others).create('names/x/1', Buffer.from(`${i}`), 'text/plain')),
      );
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(readFileSync(join(root, 'names/x/1'), 'utf8'), String(won.indexOf(true)));
      assert.deepEqual(readdirSync(join(root, 'names/x')), ['1']);
    });

    test('everything is listed, behind links too', async () => {
      const [root, disk] = [tempDir('sftp'), tempDir('disk')];
      symlinkSync(disk, join(root, 'nar'));
      symlinkSync('nowhere', join(root, 'dangling'));
      mkdirSync(join(root, 'realisations'));
      const names = Array.from({ length: 250 }, (_, i) => `nar/${i}.nar`);
      for (const name of [...names, 'realisations/a%b?.doi', 'x.narinfo']) writeFileSync(join(root, name), name);
      await using files = await open(root, ...args);
      const all = await Array.fromAsync(files.listAll());
      const expected = [...names, 'realisations/a%25b%3F.doi', 'x.narinfo'].sort();
      assert.deepEqual(all.map(({ reference }) => reference).sort(), expected);
      assert.ok(all.every((file) => file.size > 0 && Math.abs(file.modified - Date.now()) < 60_000));
      assert.deepEqual(await Array.fromAsync(files.list('realisations')), ['realisations/a%25b%3F.doi']);
      assert.deepEqual(await Array.fromAsync(files.list('none')), []);
    });

    test('what is expected is there ahead, in another order too, and what nobody takes stands in no way', async () => {
      const root = tempDir('sftp');
      mkdirSync(join(root, 'nar'));
      const expected = Array.from({ length: 3000 }, (_, i) => ({ reference: `nar/${i}`, size: 40_000 }));
      for (const { reference } of expected) writeFileSync(join(root, reference), reference.padEnd(40_000));
      await using files = await open(root, ...args);
      files.expect(expected);
      const contents = async (reference: string): Promise<string> => {
        return (await files.read(reference, 50_000))!.toString().trim();
      };
      const wanted = expected.filter((_, i) => i % 7 === 0).map(({ reference }) => reference);
      for (let at = 0; at < wanted.length; at += 20) {
        const turn = wanted.slice(at, at + 20).toReversed();
        assert.deepEqual(await Promise.all(turn.map(contents)), turn);
      }
      assert.equal(await contents('nar/0'), 'nar/0');
    });
  });
}

test('references that lead out of the cache', async () => {
  await using files = await open(tempDir('sftp'));
  for (const reference of ['../x', 'nar/%2e%2e/%2e%2e/x', '/etc/passwd', 'ftp://x/y', 'nar/a%00b', '', '%zz']) {
    await assert.rejects(files.read(reference, 100), { code: 'format' }, reference);
  }
});

test('too large a file is told, not read', async () => {
  const root = tempDir('sftp');
  writeFileSync(join(root, 'huge'), Buffer.alloc(200_000));
  await using files = await open(root);
  await assert.rejects(files.read('huge', 1000), {
    code: 'format',
    message: /too large.*at most 1000 bytes, got 200000/,
  });
});
