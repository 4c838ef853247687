// A program for tests: copies everything (or the closures of PATHs) from one root to another, as narrow would:
// node copy.ts FROM TO [PATH…]. Prints the outcomes as JSON. Killed, limited and mounted in by the tests.

import { copyAll, openRoot, parsePaths } from './stores.ts';

const [from, to, ...given] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error('usage: copy.ts FROM TO [PATH…]');
await using source = await openRoot(from, { mode: 'read' });
const paths = given.length > 0 ? parsePaths(source.storeDir, given.join('\n')) : await source.allPaths();
await using store = await openRoot(to, { flags: { 'auto-optimise-store': process.env['OPTIMISE'] === '1' } });
const outcomes = await copyAll(source, store, paths);
console.log(
  JSON.stringify(
    outcomes.map((o) => ({ status: o.status, path: o.path, error: 'error' in o ? o.error.message : undefined })),
  ),
);
