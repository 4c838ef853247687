// The command line: one table of commands, each loaded when it is called, so that a short command starts fast.

import { Command, CommanderError } from 'commander';
import { NarrowError, errorCodes } from '../errors.ts';
import type { Context } from './context.ts';
import { processContext } from './context.ts';

/** A command's file: gives it its arguments, options and action. */
interface CommandModule {
  define(command: Command, context: Context): void;
}

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const commands: Readonly<Record<string, Entry>> = {
  copy: { summary: 'copy closures between stores', load: () => import('./commands/copy.ts') },
  push: { summary: 'push closures into a static cache', load: () => import('./commands/push.ts') },
  cache: { summary: 'make, list, thin and check a static cache', load: () => import('./commands/cache.ts') },
  info: { summary: 'show what a store knows about paths', load: () => import('./commands/info.ts') },
  add: { summary: 'add a file or directory to a store', load: () => import('./commands/add.ts') },
  shared: {
    summary: 'show what closures have in common, and what is of one alone',
    load: () => import('./commands/shared.ts'),
  },
  diff: { summary: 'show what changes from one closure to another', load: () => import('./commands/diff.ts') },
  why: { summary: 'show why one path needs another', load: () => import('./commands/why.ts') },
  sizes: { summary: 'show the largest paths of a closure', load: () => import('./commands/sizes.ts') },
  missing: { summary: 'list what a cache lacks', load: () => import('./commands/missing.ts') },
  doctor: { summary: 'tell what works with a store and what does not', load: () => import('./commands/doctor.ts') },
  realise: { summary: 'build derivations on another machine', load: () => import('./commands/realise.ts') },
  delta: { summary: 'show what a path or closure costs as a delta', load: () => import('./commands/delta.ts') },
  stdio: {
    summary: 'speak for a store with a narrow on another machine',
    load: () => import('./commands/stdio.ts'),
  },
  verify: { summary: 'check contents and signatures of paths', load: () => import('./commands/verify.ts') },
  sign: { summary: 'add signatures to paths', load: () => import('./commands/sign.ts') },
  export: { summary: 'write paths as an export stream', load: () => import('./commands/export.ts') },
  import: { summary: 'add the paths of an export stream or a NAR', load: () => import('./commands/import.ts') },
  inventory: { summary: 'write down what a store has', load: () => import('./commands/inventory.ts') },
  bundle: { summary: 'carry paths in a file', load: () => import('./commands/bundle.ts') },
  nar: { summary: 'pack, unpack, list, read and hash NARs', load: () => import('./commands/nar.ts') },
  drv: { summary: 'show derivations', load: () => import('./commands/drv.ts') },
  key: { summary: 'make signing keys', load: () => import('./commands/key.ts') },
  hash: { summary: 'hash files, convert hashes', load: () => import('./commands/hash.ts') },
};

/** Runs the command line and sets the exit status; nothing is thrown out of it. */
export async function main(args: readonly string[]): Promise<void> {
  const abort = new AbortController();
  const context = processContext(abort.signal);
  // whoever ended it from afar knows
  const quiet = args[0] === 'stdio';
  watchSignals(abort, context, quiet);
  let program: Command | undefined;
  try {
    const words = withHelp(args);
    program = await programFor(words, context);
    await program.parseAsync(words, { from: 'user' });
    process.exitCode = context.status;
  } catch (error) {
    process.exitCode =
      quiet && abort.signal.aborted
        ? errorCodes.aborted.exit
        : report(foreseen(error, program, args), context, args.includes('--json'));
  }
}

/**
 * The program with the command that `args` calls defined whole. Where that is not the first word (`narrow --help`, `narrow help
 * copy`), every command is named beside it.
 */
export async function programFor(args: readonly string[], context: Context): Promise<Command> {
  const program = new Command('narrow')
    .configureOutput({ writeErr: (text) => context.say(text.trimEnd()), outputError: () => {} })
    .exitOverride();
  const wanted = args.find((arg) => !arg.startsWith('-') && arg !== 'help');
  const all = Object.keys(commands);
  const alone = args[0] !== undefined && all.includes(args[0]);
  if (!alone) await describeProgram(program);
  for (const name of alone ? [args[0]!] : all) {
    const { summary, load } = commands[name]!;
    const command = program.command(name).summary(summary).copyInheritedSettings(program);
    if (name === wanted) (await load()).define(command, context);
  }
  return program;
}

/** What `narrow` alone answers to. */
async function describeProgram(program: Command): Promise<void> {
  const { version } = await import('./version.ts');
  program
    .description('Moves Nix store closures to the machines that need them.')
    .version(version(), '-V, --version')
    .helpCommand('help [command]', 'show what a command does')
    .addHelpText('after', footer);
}

const footer = `
Stores are named by URLs, as in Nix: auto, local, local?root=DIR, daemon,
ssh://HOST, ssh-ng://HOST, file://DIR, sftp://HOST/DIR, s3://BUCKET,
https://HOST. A command that works on one store takes --store; copy has two,
--from and --to.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 the answer is "no", 130 interrupted.`;

/** What commander says of wrong usage, as an error of ours; its help and version stay what they are. */
function foreseen(error: unknown, program: Command | undefined, args: readonly string[]): unknown {
  if (!(error instanceof CommanderError) || error.exitCode === 0 || error.code === 'commander.help') return error;
  const [first = '', guess] = error.message.replace(/^error: /, '').split('\n');
  const what = first.replace(/\. Expected (.*) but got (.*)\.$/, ': expected $1, got $2');
  const help = `${called(program, args)} --help`;
  const hint =
    guess === undefined ? `see ${help}` : `${guess.replace(/^\((.*)\)$/, '$1').replace(/^D/, 'd')} else see ${help}`;
  return new NarrowError('usage', what, { hint });
}

/** The command that the words name, as far as there is one: `narrow cache gc`. */
function called(program: Command | undefined, args: readonly string[]): string {
  const words = ['narrow'];
  let command = program;
  for (const arg of args) {
    command = command?.commands.find((one) => one.name() === arg);
    if (!command) break;
    words.push(arg);
  }
  return words.join(' ');
}

/**
 * `narrow help key generate` is `narrow key generate --help`, of which commander would look at one word only; `narrow help
 * coppy` is `narrow coppy`, as it would print the help that was not asked for.
 */
function withHelp(args: readonly string[]): readonly string[] {
  const [first, ...words] = args;
  if (first !== 'help' || words[0] === undefined || words[0] === 'help') return args;
  if (!Object.hasOwn(commands, words[0])) return words;
  return words.length > 1 ? [...words, '--help'] : args;
}

/** The first signal asks to stop and clean up, which is said unless `quiet`; the second ends at once. */
function watchSignals(abort: AbortController, context: Context, quiet: boolean): void {
  const stop = (signal: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(errorCodes.aborted.exit);
    const what = signal === 'SIGINT' ? 'interrupted' : 'asked to stop';
    if (!quiet) context.say(`narrow: ${what}, cleaning up (again to stop at once)`);
    abort.abort(new NarrowError('aborted', 'stopped; the same command goes on from here'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // the reader of our results has gone: nobody is left to tell
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

/** Prints an error for people, or as one JSON object, and returns the exit status. */
function report(error: unknown, context: Context, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : errorCodes.usage.exit;
  const known = context.signal.aborted ? (context.signal.reason as unknown) : error;
  if (known instanceof NarrowError) {
    if (json) context.say(JSON.stringify({ error: known }));
    else context.say(`narrow: ${known.message}${known.hint ? `\n  hint: ${known.hint}` : ''}`);
    return errorCodes[known.code].exit;
  }
  context.say(
    `narrow: unexpected error, which is a bug: ${known instanceof Error ? (known.stack ?? known.message) : String(known)}`,
  );
  return 1;
}
