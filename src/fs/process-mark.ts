// Who wrote a file that stands for a running process: enough to say of a dead one that it is dead, on the same machine.

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessMark {
  /** For people. */
  readonly host: string;
  readonly pid: number;
  /** The machine since its start, and the space that the number is of: containers count anew. Empty where not told. */
  readonly space: string;
}

/** This process. */
export function ownMark(): ProcessMark {
  const boot = told(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const numbers = told(() => readlinkSync('/proc/self/ns/pid'));
  return { host: hostname(), pid: process.pid, space: boot && numbers ? `${boot} ${numbers}` : '' };
}

/** True where it is certain that the process has ended. */
export function hasEnded({ pid, space }: ProcessMark): boolean {
  const own = ownMark();
  if (space === '' || space !== own.space || pid === own.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function told(ask: () => string): string {
  try {
    return ask();
  } catch {
    return '';
  }
}
