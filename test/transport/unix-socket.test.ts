import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectUnix } from '../../src/transport/unix-socket.ts';
import { tempDir } from '../lab/temp.ts';

test('what the other side said before it went is read, also when it took no more', async () => {
  const path = join(tempDir('socket'), 's');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    // it reads no more than the beginning, says why, and goes
    socket.once('readable', () => {
      socket.read(1);
      socket.write('no, because', () => socket.destroy());
    });
  }).listen(path);
  await once(server, 'listening');
  try {
    await using line = await connectUnix(path, 'the server');
    await line.write(Buffer.alloc(100));
    // nothing is read meanwhile: the answer waits, and the line is gone
    const failure = await sent(() => line.write(Buffer.alloc(1 << 20)));
    assert.match(String(failure), /EPIPE|ECONNRESET/);
    const said: Uint8Array[] = [];
    await assert.rejects(
      async () => {
        for await (const chunk of line.input) said.push(Buffer.from(chunk));
      },
      { code: 'unavailable', message: 'the server closed the connection' },
    );
    assert.equal(Buffer.concat(said).toString(), 'no, because');
  } finally {
    server.close();
  }
});

/** What sending fails with, sooner or later. */
async function sent(send: () => Promise<void>): Promise<unknown> {
  try {
    for (let count = 0; count < 1000; count++) await send();
  } catch (error) {
    return error;
  }
  return undefined;
}
