import { openLocalStore } from '../../src/store/local.ts';
import { freshStore } from '../lab/nix.ts';
import { testContext } from './context.ts';
import { contract } from './suite.ts';

contract('local', {
  open: async () => {
    const params = new URLSearchParams({ root: await freshStore(), 'require-sigs': 'false' });
    return openLocalStore(params, testContext(), 'write');
  },
});
