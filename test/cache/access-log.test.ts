// Logs of web servers as they are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessLog } from '../../src/cache/access-log.ts';

const part = '0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r';

function usesOf(...lines: string[]): Record<string, string> {
  const log = new AccessLog();
  for (const line of lines) log.line(line);
  return Object.fromEntries([...log.uses().times].map(([key, time]) => [key, new Date(time).toISOString()]));
}

const combined = (time: string, request: string, status = 200): string =>
  `192.168.0.7 - - [${time}] "${request}" ${status} 512 "-" "curl/8.20 Nix/2.34.8"`;

test('the latest time of what was given out counts', () => {
  assert.deepEqual(
    usesOf(
      combined('21/Nov/2026:10:03:21 +0100', `GET /${part}.narinfo HTTP/1.1`),
      combined('20/Nov/2026:10:03:21 +0000', `GET /${part}.narinfo HTTP/1.1`),
      combined('21/Nov/2026:11:00:00 +0000', 'GET /sub/dir/nar/abc.nar.zst HTTP/2.0', 206),
      combined('21/Nov/2026:12:00:00 +0000', 'GET /nar/gone.nar.zst HTTP/1.1', 404),
      combined('21/Nov/2026:12:00:00 +0000', 'PUT /nar/new.nar.zst HTTP/1.1', 201),
      `2026-11-21T12:30:00+00:00 "HEAD /nar/iso.nar.xz?x=1 HTTP/1.1" 304 0`,
      'nonsense',
    ),
    {
      [part]: '2026-11-21T09:03:21.000Z',
      'nar/abc.nar.zst': '2026-11-21T11:00:00.000Z',
      'nar/iso.nar.xz': '2026-11-21T12:30:00.000Z',
    },
  );
});

test('a log is read in pieces, and tells from when to when it reaches', async () => {
  const log = new AccessLog();
  const text = `${combined('01/Nov/2026:00:00:00 +0000', 'GET / HTTP/1.1')}\n${combined('02/Nov/2026:00:00:00 +0000', `GET /${part}.narinfo HTTP/1.1`)}`;
  await log.read(
    Array.from({ length: Math.ceil(text.length / 7) }, (_, i) => Buffer.from(text.slice(7 * i, 7 * i + 7))),
  );
  const { from, to, times } = log.uses();
  assert.deepEqual([from, to, times.size], [Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 2), 1]);
  assert.equal(new AccessLog().uses().from, undefined);
});
