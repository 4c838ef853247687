// A program for tests: makes a bundle with small segments: node create.ts ROOT FILE PATH [VOLUME-SIZE]. Prints the paths that
// were packed. Killed by the tests.

import { createBundle } from '../../../src/bundle/create.ts';
import { parseStorePath } from '../../../src/model/store-path.ts';
import { openStore } from '../../../src/store/open.ts';
import { testContext } from '../../contract/context.ts';

const [root, file, path, volumeSize] = process.argv.slice(2);
if (root === undefined || file === undefined || path === undefined) throw new Error('usage: create.ts ROOT FILE PATH');
await using source = await openStore(`local?root=${root}`, testContext());
const { reports } = await createBundle({
  source,
  roots: [parseStorePath(source.storeDir, path)],
  file,
  level: 'fast',
  segmentSize: 30_000,
  volumeSize: volumeSize === undefined ? undefined : Number(volumeSize),
  by: 'test',
});
console.log([...reports.keys()].join('\n'));
