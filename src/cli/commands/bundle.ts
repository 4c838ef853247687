// narrow bundle: a system in one file, holding just what the other side lacks.

import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { defineApply } from './bundle-apply.ts';
import { defineCreate } from './bundle-create.ts';
import { defineMissing } from './bundle-missing.ts';
import { defineShow } from './bundle-show.ts';
import { defineVerify } from './bundle-verify.ts';

export function define(command: Command, context: Context): void {
  command
    .description(
      'Carry paths in a file to where no line leads. A bundle is a store, too: narrow copy --from bundle:FILE, narrow info ' +
        '--store bundle:FILE.',
    )
    .addHelpText('after', examples);
  defineCreate(command.command('create'), context);
  defineShow(command.command('show'), context);
  defineVerify(command.command('verify'), context);
  defineMissing(command.command('missing'), context);
  defineApply(command.command('apply'), context);
}

const examples = `
Examples:
  narrow inventory -o island.inventory                                       # there
  narrow bundle create -o next.bundle --for island.inventory ./result        # here
  narrow bundle apply next.bundle --profile /nix/var/nix/profiles/system     # there`;
