// How many files this process may have open.

import { readFileSync } from 'node:fs';

/** The soft limit; where /proc is absent the usual one is as good a guess. */
export function descriptorLimit(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024);
  } catch {
    return 1024;
  }
}
