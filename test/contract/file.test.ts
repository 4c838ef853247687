import { join } from 'node:path';
import { openFileCache } from '../../src/store/file.ts';
import { tempDir } from '../lab/temp.ts';
import { testContext } from './context.ts';
import { contract } from './suite.ts';

const parameters = [
  'compression=none',
  'compression=none&write-nar-listing=1',
  'compression=zstd',
  'compression=xz&compression-level=0',
];

for (const text of parameters) {
  contract(`file://…?${text}`, {
    open: () => openFileCache(join(tempDir('cache'), 'new'), new URLSearchParams(text), testContext(), 'write'),
  });
}
