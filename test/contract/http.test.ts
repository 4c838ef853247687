import { openHttpCache } from '../../src/store/http.ts';
import type { WritableStore } from '../../src/store/store.ts';
import { startNginx } from '../lab/nginx.ts';
import { tempDir } from '../lab/temp.ts';
import { testContext } from './context.ts';
import { startPutServer } from './put-server.ts';
import { contract } from './suite.ts';

const without = { realisations: 'a web server cannot be asked which there are' };

/** The store, with its server ending when it is closed. */
async function open(server: AsyncDisposable & { readonly url: string }, text: string): Promise<WritableStore> {
  const store = await openHttpCache(`${server.url}/some/where`, new URLSearchParams(text), testContext(), 'write');
  const close = store[Symbol.asyncDispose].bind(store);
  return Object.assign(store, {
    async [Symbol.asyncDispose]() {
      await close();
      await server[Symbol.asyncDispose]();
    },
  });
}

contract('http: a server without ranges', {
  open: async () => open(await startPutServer(tempDir('www')), 'compression=zstd'),
  without,
});

contract('http: nginx', {
  open: async () => open(await startNginx(tempDir('www'), { writable: true }), 'compression=none&write-nar-listing=1'),
  without,
});
