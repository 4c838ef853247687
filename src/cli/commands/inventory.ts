// narrow inventory: what a store has, in a small file that can be carried to where a bundle is made for it.

import type { Command } from 'commander';
import { formatInventory, mergeInventories, parseInventory } from '../../bundle/inventory.ts';
import type { Inventory } from '../../bundle/inventory.ts';
import { rootsOf, takeInventory, topsOf } from '../../bundle/take-inventory.ts';
import { writeAtomically } from '../../fs/atomic-file.ts';
import { encodeBase64 } from '../../model/base64.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StorePath } from '../../model/store-path.ts';
import { openStore } from '../../store/open.ts';
import { expectNoTerminal, writeOut } from '../binary-out.ts';
import type { Context } from '../context.ts';
import { openContext } from '../context.ts';
import { resolvePaths, storeOption } from '../options.ts';
import { count, formatBytes, formatTable } from '../output/human.ts';
import { readBytes } from '../read-bytes.ts';

interface TakeOptions {
  readonly store: string;
  readonly out?: string;
  readonly roots?: boolean;
  readonly stdin?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .description(
      'Write down what a store has: paths with sizes and the beginnings of their hashes, whom it trusts, its room. ' +
        'About 40 bytes a path; narrow bundle create --for reads it.',
    )
    .argument('[paths...]', 'only these and what they refer to (default: all that is valid)')
    .option('--stdin', 'read paths from standard input, too, one a line');
  storeOption(command)
    .option('-o, --out <file>', 'the inventory (default: standard output)')
    .option('--roots', 'print only the paths it all hangs on, on one line: for who knows their closures')
    .addHelpText('after', examples)
    .action((paths: string[], options: TakeOptions) => runTake(paths, options, context));
  command
    .command('show')
    .description('Show an inventory.')
    .argument('<file>', 'the inventory')
    .option('--paths', 'list the paths, too: size, beginning of the hash, path')
    .option('--json', 'print a JSON object')
    .action((file: string, options: ShowOptions) => runShow(file, options, context));
  command
    .command('merge')
    .description('Make one inventory of several: what any of them has, and what all of them trust.')
    .argument('<files...>', 'the inventories')
    .option('-o, --out <file>', 'the new inventory (default: standard output)')
    // -o is also of the command above, which takes it first
    .action((files: string[], _: unknown, merge: Command) => runMerge(files, merge.optsWithGlobals(), context));
}

const examples = `
Examples:
  narrow inventory -o island.inventory
  narrow inventory --store ssh://pi1 -o pi1.inventory
  narrow bundle create -o next.bundle --for island.inventory ./result`;

async function runTake(given: readonly string[], options: TakeOptions, context: Context): Promise<void> {
  const { signal } = context;
  if (!options.roots && options.out === undefined)
    expectNoTerminal('an inventory', 'narrow inventory -o site.inventory');
  const open = openContext(context);
  await using store = await openStore(options.store, open);
  const paths = given.length > 0 || options.stdin ? await resolvePaths(store, given, options.stdin) : [];
  const inventory = await takeInventory({ store, paths, trustedKeys: open.trustedKeys, signal });
  if (options.roots) {
    const roots = paths.length > 0 ? topsOf(inventory.closure) : await rootsOf(store, inventory);
    return await context.out(roots.map((path) => printStorePath(store.storeDir, path)).join(' '));
  }
  await write(inventory, options.out, context);
}

async function write(inventory: Inventory, out: string | undefined, context: Context): Promise<void> {
  const bytes = await formatInventory(inventory);
  if (out === undefined) await writeOut(() => [bytes], context.signal);
  else await writeAtomically(out, bytes);
  context.say(`${count(inventory.closure.infos.length, 'path')} in ${formatBytes(bytes.length)}`);
}

async function runMerge(files: readonly string[], { out }: { out?: string }, context: Context): Promise<void> {
  if (out === undefined) expectNoTerminal('an inventory', 'narrow inventory merge -o all.inventory …');
  const merged = mergeInventories(await Promise.all(files.map(read)));
  for (const path of merged.differing)
    context.say(`warning: ${path} has other contents in each place, and is left out`);
  await write(merged, out, context);
}

interface ShowOptions {
  readonly paths?: boolean;
  readonly json?: boolean;
}

async function runShow(file: string, options: ShowOptions, context: Context): Promise<void> {
  const inventory = await read(file);
  if (options.json) return context.out(JSON.stringify(inventoryJson(inventory)));
  const { facts, closure } = inventory;
  const size = closure.infos.reduce((sum, { narSize }) => sum + narSize, 0);
  const lines: [string, string | undefined][] = [
    ['Stores', facts.stores.join(', ')],
    ['Made', new Date(facts.made).toISOString().replace(/\.\d+/, '')],
    ['Store directory', facts.storeDir],
    ['System', facts.system],
    ['Free', facts.free === undefined ? undefined : formatBytes(facts.free)],
    ['Paths', `${closure.infos.length}, ${formatBytes(size)} of NARs`],
    ['Signatures', facts.requireSignatures === false ? 'not asked for' : undefined],
    ['Trusted keys', facts.trustedKeys?.map((key) => `\n  ${key}`).join('')],
  ];
  for (const [name, value] of lines)
    if (value !== undefined) await context.out(`${name}:${value.startsWith('\n') ? '' : ' '}${value}`);
  if (!options.paths) return;
  const rows = closure.infos.map((info) => [
    formatBytes(info.narSize),
    Buffer.from(info.narHash).toString('hex'),
    printStorePath(facts.storeDir, info.path),
  ]);
  for (const line of formatTable(rows, [true])) await context.out(line);
}

function inventoryJson({ facts, closure }: Inventory): Record<string, unknown> {
  const full = (path: StorePath): string => printStorePath(facts.storeDir, path);
  return {
    ...facts,
    made: new Date(facts.made).toISOString(),
    paths: closure.infos.map(({ path, narSize, narHash, references }) => ({
      path: full(path),
      narSize,
      narHashStart: encodeBase64(narHash),
      references: references.map(full),
    })),
  };
}

async function read(file: string): Promise<Inventory> {
  return parseInventory(await readBytes(file), file);
}
