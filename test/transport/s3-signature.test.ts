// Signatures of the examples in AWS's documentation of Signature Version 4 for S3. Whole requests are checked by two servers:
// test/contract/s3.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Signer, escapedUri } from '../../src/transport/s3-signature.ts';

const who = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
const host = 'examplebucket.s3.amazonaws.com';
const now = Date.UTC(2013, 4, 24);
const signer = new S3Signer('us-east-1');

test('a part of an object is asked for', () => {
  const headers = { range: 'bytes=0-9' };
  const signed = signer.sign({ method: 'GET', host, path: '/test.txt', headers, body: undefined }, who, now);
  assert.equal(
    signed['authorization'],
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
  assert.equal(signed['x-amz-date'], '20130524T000000Z');
  assert.equal(signed['range'], 'bytes=0-9');
});

test('an object with an odd name is written', () => {
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
  const body = Buffer.from('Welcome to Amazon S3.');
  const path = `/${escapedUri('test$file.text')}`;
  const { authorization } = signer.sign({ method: 'PUT', host, path, headers, body }, who, now);
  assert.match(authorization!, /Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/);
});

test('another day, another secret, a session: each has a signature of its own', () => {
  const request = { method: 'GET', host, path: '/x', headers: {}, body: undefined };
  const signature = (...how: readonly [typeof who & { sessionToken?: string }, number]): string =>
    signer.sign(request, ...how)['authorization']!;
  const all = [
    signature(who, now),
    signature(who, now + 86_400_000),
    signature({ ...who, secretAccessKey: 'x' }, now),
    signature({ ...who, sessionToken: 'x' }, now),
  ];
  assert.equal(new Set(all).size, all.length);
  assert.equal(signature(who, now), all[0], 'the key of the first day again');
  assert.equal(escapedUri("a+b !'()*~"), 'a%2Bb%20%21%27%28%29%2A~');
});
