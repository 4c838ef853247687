#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
// Node's own parts are not imported here: an import of node:fs loads all its streams and promises, 2 ms that reading needs not.
const { statSync } = process.getBuiltinModule('node:fs');
const { createRequire, enableCompileCache } = process.getBuiltinModule('node:module');
const { join } = process.getBuiltinModule('node:path');

/** In a directory that only this user may write: Node's own place is in /tmp, where others could leave code for root. */
function compileCache() {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const place = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
  try {
    const home = place && statSync(XDG_CACHE_HOME || HOME);
    return home && home.uid === process.getuid() && (home.mode & 0o022) === 0 ? join(place, 'narrow/node') : undefined;
  } catch {
    return undefined;
  }
}

const directory = compileCache();
if (directory) enableCompileCache(directory);
const { main } = createRequire(import.meta.url)('./dist/narrow.cjs');
await main(process.argv.slice(2));
