// The SFTP client with servers made for the test: out of order, rude, or no servers at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from '../../../src/bytes/reader.ts';
import type { Duplex } from '../../../src/protocol/duplex.ts';
import { SftpClient } from '../../../src/protocol/sftp/client.ts';
import { openFlags, sftpOperations as ops } from '../../../src/protocol/sftp/operations.ts';
import { PacketReader, PacketWriter } from '../../../src/protocol/sftp/packet.ts';
import { pair } from '../pipe.ts';

interface Request {
  readonly number: number;
  readonly id: number;
  readonly input: PacketReader;
}

/** Greets, then answers each request with whatever `answer` makes of it and those before that were not answered. */
function serve(
  duplex: Duplex,
  answer: (request: Request, waiting: Request[]) => PacketWriter[],
  extensions: readonly string[] = [],
): void {
  const serving = async (): Promise<void> => {
    const reader = new ByteReader(duplex.input);
    await reader.bytes(9);
    const hello = new PacketWriter().u8(2).u32(3);
    for (const name of extensions) hello.text(name).text('1');
    await duplex.write(hello.take());
    const waiting: Request[] = [];
    while (!(await reader.atEnd())) {
      const length = (await reader.bytes(4)).readUInt32BE();
      const input = new PacketReader(await reader.bytes(length), 'request');
      const request = { number: input.u8(), id: input.u32(), input };
      waiting.push(request);
      for (const packet of answer(request, waiting)) await duplex.write(packet.take());
    }
  };
  // the client hangs up on those it does not understand
  serving().catch(() => {});
}

const status = (id: number, code: number, text = ''): PacketWriter =>
  new PacketWriter().u8(101).u32(id).u32(code).text(text).text('en');

async function connected(
  answer: (request: Request, waiting: Request[]) => PacketWriter[],
  extensions?: readonly string[],
): Promise<SftpClient> {
  const [client, server] = pair();
  serve(server, answer, extensions);
  return SftpClient.open(client);
}

test('answers come in any order', async () => {
  await using client = await connected((_, waiting) =>
    waiting.length < 3
      ? []
      : waiting
          .splice(0)
          .toReversed()
          .map(({ id, input }) => new PacketWriter().u8(102).u32(id).text(`handle of ${input.text()}`)),
  );
  const open = (path: string) => client.call(ops.open, { path, flags: openFlags.read });
  const handles = await Promise.all(['a', 'b', 'c'].map(open));
  assert.deepEqual(
    handles.map((handle) => Buffer.from(handle).toString()),
    ['handle of a', 'handle of b', 'handle of c'],
  );
});

test('a refusal has its number, the end of a file is none', async () => {
  await using client = await connected(({ number, id }) => [
    number === 5 ? status(id, 1) : status(id, 3, 'Permission \x1b[31mdenied'),
  ]);
  const handle = Buffer.from('h');
  assert.equal(await client.call(ops.read, { handle, offset: 0, length: 10 }), undefined);
  await assert.rejects(client.call(ops.remove, { path: 'x' }), {
    code: 'refused',
    status: 3,
    message: 'the server: remove: Permission denied',
  });
});

test('sizes and times above 32 bits, and attributes that nobody asked for', async () => {
  await using client = await connected(({ id }) => {
    const out = new PacketWriter()
      .u8(105)
      .u32(id)
      .u32(0x8000_000f)
      .u64(5 * 2 ** 40 + 7);
    return [out.u32(1).u32(2).u32(0o100_644).u32(4_000_000_000).u32(4_100_000_000).u32(1).text('acl@x').text('y')];
  });
  const expected = { size: 5 * 2 ** 40 + 7, mode: 0o100_644, accessed: 4_000_000_000, modified: 4_100_000_000 };
  assert.deepEqual(await client.call(ops.stat, { path: 'x' }), expected);
});

test('what the server does not offer is not asked for', async () => {
  await using client = await connected(() => assert.fail('asked'));
  assert.equal(client.can(ops.posixRename), false);
  await assert.rejects(client.call(ops.posixRename, { from: 'a', to: 'b' }), { code: 'unsupported' });
  assert.deepEqual(client.limits, { read: 32_768, write: 32_768, handles: 100 });
});

test('its limits are heeded where it tells some', async () => {
  const limits = ({ id }: Request): PacketWriter[] => [
    new PacketWriter().u8(201).u32(id).u64(262_144).u64(1000).u64(0).u64(20),
  ];
  await using client = await connected(limits, ['limits@openssh.com']);
  assert.deepEqual(client.limits, { read: 1000, write: 32_768, handles: 20 });
});

const broken: readonly (readonly [
  what: string,
  answer: (request: Request) => PacketWriter | Buffer,
  message: RegExp,
])[] = [
  ['an answer to no question', () => status(99_999, 0), /answer to no question.*99999/],
  ['an answer of the wrong kind', ({ id }) => new PacketWriter().u8(102).u32(id).text('h'), /bad SFTP answer to stat/],
  ['an answer that ends too early', ({ id }) => new PacketWriter().u8(105).u32(id).u32(1), /ends too early/],
  ['a length without end', () => Buffer.from('ffffffff00', 'hex'), /bad length of an SFTP packet.*4294967295/],
  ['a length that is none', () => Buffer.from('0000000100', 'hex'), /bad length of an SFTP packet/],
];
for (const [what, answer, message] of broken) {
  test(`${what} ends the conversation for all`, async () => {
    const raw = (request: Request): PacketWriter[] => {
      const made = answer(request);
      return [Buffer.isBuffer(made) ? ({ take: () => made } as PacketWriter) : made];
    };
    await using client = await connected(raw);
    const asked = [client.call(ops.stat, { path: 'a' }), client.call(ops.stat, { path: 'b' })];
    for (const result of await Promise.allSettled(asked)) {
      assert.equal(result.status, 'rejected');
      assert.match(String(result.reason), message);
    }
    await assert.rejects(client.call(ops.stat, { path: 'c' }), message);
  });
}

test('a login shell that prints something is quoted', async () => {
  const [client, server] = pair();
  await server.write(Buffer.from('Welcome to pi!\r\nToday is a good day\n'));
  await assert.rejects(SftpClient.open(client), (error: Error & { data: Record<string, unknown> }) => {
    assert.match(error.message, /got "Welcome to pi!/);
    assert.equal(error.data['banner'], true);
    return true;
  });
});

test('an old version is told', async () => {
  const [client, server] = pair();
  await server.write(new PacketWriter().u8(2).u32(2).take());
  await assert.rejects(SftpClient.open(client), { code: 'unsupported', message: /speaks SFTP version 2/ });
});
