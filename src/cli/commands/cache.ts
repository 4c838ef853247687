// narrow cache: what is done with a static cache beside filling it. Each part is in a file of its own.

import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { defineGc } from './cache-gc.ts';
import { defineInit } from './cache-init.ts';
import { definePins } from './cache-pins.ts';
import { defineRepair } from './cache-repair.ts';
import { defineReports } from './cache-reports.ts';
import { defineSign } from './cache-sign.ts';
import { defineVerify } from './cache-verify.ts';

export function define(command: Command, context: Context): void {
  command.description(
    'Make, list, thin and check a static cache: a directory, file://DIR, or what else lists its files.',
  );
  defineInit(command, context);
  defineReports(command, context);
  definePins(command, context);
  defineGc(command, context);
  defineSign(command, context);
  defineVerify(command, context);
  defineRepair(command, context);
}
