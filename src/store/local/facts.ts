// What can be told of a local store without opening it for writing.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freeSpace, writeObstacle } from '../../fs/space.ts';
import type { StoreFacts } from '../facts.ts';
import type { LocalDirectories } from './directories.ts';

export interface LocalRules {
  readonly readOnly: boolean;
  readonly requireSignatures: boolean;
  readonly trustedKeys: readonly string[];
}

/** Looks at permissions and free space. Throws `io`. */
export function localFacts(directories: LocalDirectories, rules: LocalRules): StoreFacts {
  const obstacle = obstacleOf(directories, rules);
  const schema = schemaOf(directories.stateDir);
  return {
    kind: 'local store',
    version: schema === undefined ? 'not made yet' : `schema ${schema}`,
    absent: schema === undefined,
    writable: obstacle === undefined,
    obstacle,
    space: { where: directories.realDir, ...freeSpace(directories.realDir) },
    signatures: { required: rules.requireSignatures, trustedKeys: rules.trustedKeys },
    clock: { ahead: 0, within: 0 },
  };
}

function schemaOf(stateDir: string): string | undefined {
  try {
    return readFileSync(join(stateDir, 'db/schema'), 'utf8').trim();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'unknown';
  }
}

function obstacleOf({ realDir, stateDir }: LocalDirectories, { readOnly }: LocalRules): StoreFacts['obstacle'] {
  if (readOnly) return { why: 'it was opened with read-only=true', hint: 'leave that parameter out' };
  const hint = "let the daemon write, which may: '--to daemon'; or run as root";
  for (const place of [realDir, join(stateDir, 'db/db.sqlite')]) {
    const code = writeObstacle(place);
    if (code === undefined) continue;
    // on NixOS the store directory is mounted read-only, which root may undo for itself
    if (code === 'EROFS' && place === realDir && process.getuid?.() === 0) continue;
    const why = code === 'EROFS' ? `${place} is mounted read-only` : `this user may not write to ${place} (${code})`;
    return { why, hint };
  }
  return undefined;
}
