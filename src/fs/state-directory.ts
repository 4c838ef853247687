// Where narrow keeps what it may lose: parts of downloads, bytes that are put aside.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

export function stateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local/state'), 'narrow');
}

/** For bytes that are put aside: in the state directory, since /tmp may be small, or memory; there only as a last resort. */
export function spoolDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const directory = join(stateDirectory(env), 'spool');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    return tmpdir();
  }
}
