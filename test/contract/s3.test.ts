// A server of others, which has no conditional writes, and one that has all of S3 that is used; both check signatures.
import { after } from 'node:test';
import { openS3Cache } from '../../src/store/s3.ts';
import type { WritableStore } from '../../src/store/store.ts';
import { s3Access, startS3Server } from '../lab/s3-server.ts';
import { startSwift } from '../lab/s3-swift.ts';
import { testContext } from './context.ts';
import { contract } from './suite.ts';

const swift = await startSwift();
after(() => swift[Symbol.asyncDispose]());
let buckets = 0;

function open(url: string, env: Readonly<Record<string, string>>, parameters: string): Promise<WritableStore> {
  Object.assign(process.env, env);
  const [place = '', search] = url.slice('s3://'.length).split('?');
  return openS3Cache(place, new URLSearchParams(`${search}&${parameters}`), testContext(), 'write');
}

contract('s3: OpenStack Swift', {
  open: async () => open(await swift.bucket(`cache-${buckets++}`), swift.env, 'compression=zstd'),
});

contract('s3: with conditional writes, in parts', {
  open: async () => {
    const server = await startS3Server({ page: 2 });
    const { url, env } = s3Access(server);
    const store = await open(url, env, 'compression=none&write-nar-listing=1&multipart-threshold=100');
    const close = store[Symbol.asyncDispose].bind(store);
    return Object.assign(store, {
      async [Symbol.asyncDispose]() {
        await close();
        await server[Symbol.asyncDispose]();
      },
    });
  },
});
