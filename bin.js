#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

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
const { main } = await import('./dist/cli/main.js');
await main(process.argv.slice(2));
