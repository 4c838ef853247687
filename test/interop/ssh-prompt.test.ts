// Passwords: ssh asks for them on the terminal that narrow paints its progress on.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import type { Closure } from '../lab/closures.ts';
import type { HostOptions, Hosts } from '../lab/hosts.ts';
import { schemes, start } from './ssh-lab.ts';
import { part } from './two-machines.ts';

const question = "bob@pi's password: ";

/** `work` with a closure, and `pi`, where only a password lets bob in. */
async function askingHosts(what: Closure, more: Readonly<Record<string, HostOptions>> = {}): Promise<Hosts> {
  const pi = {
    users: [{ name: 'bob', trusted: true }],
    daemon: true,
    sshd: 'Match User bob\n  PasswordAuthentication yes\n  PubkeyAuthentication no',
  };
  const lab = await start({ pi, ...more }, what);
  await lab.exec('pi', ['sh', '-c', 'echo bob:open-sesame | chpasswd']);
  return lab;
}

interface Typed {
  readonly screen: string;
  /** What came onto the screen between each question and its answer. */
  readonly painted: readonly string[];
}

/** Runs `narrow copy --no-check-sigs` on a terminal of its own, and answers after a while whenever it is asked. */
async function copyAndType(lab: Hosts, args: readonly string[], env: string): Promise<Typed> {
  const words = `${env} ${command} copy --no-check-sigs ${args.map((arg) => `'${arg}'`).join(' ')}`;
  const [program, ...rest] = lab.command('work', ['script', '-qec', words, '/dev/null']);
  const child = spawn(program!, rest, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000 });
  let screen = '';
  child.stdout.on('data', (data: Buffer) => (screen += data.toString()));
  const closed = once(child, 'close');
  const painted: string[] = [];
  let read = 0;
  while (child.exitCode === null && child.signalCode === null) {
    await sleep(20);
    const at = screen.indexOf(question, read);
    if (at < 0) continue;
    await sleep(700);
    painted.push(screen.slice(at + question.length));
    read = screen.length;
    child.stdin.write('open-sesame\n');
  }
  await closed;
  return { screen, painted };
}

for (const scheme of schemes) {
  test(`${scheme}: nothing is painted over the question for a password, and the answer is not shown`, async () => {
    const basic = await closure('basic');
    await using lab = await askingHosts(basic);
    const { screen, painted } = await copyAndType(lab, ['--to', `${scheme}://bob@pi`, basic.top], '');
    assert.deepEqual(painted, [''], 'painted over the question');
    assert.match(screen, /copied \d+ paths/);
    assert.doesNotMatch(screen, /sesame/);
  });
}

test('between two machines, one login after the other: neither is anything painted over these questions', async () => {
  const basic = await closure('basic');
  await using lab = await askingHosts(basic, { source: {} });
  await lab.seed('source', basic.root, [basic.top]);
  await part(lab, 'source', 'pi');
  // each session logs in by itself, those that look for a direct way, too
  const alone = "NIX_SSHOPTS='-oControlMaster=no -oControlPath=none'";
  const args = ['--from', 'ssh://source', '--to', 'ssh-ng://bob@pi', basic.top];
  const { screen, painted } = await copyAndType(lab, args, alone);
  assert.ok(painted.length >= 2, screen);
  assert.deepEqual(new Set(painted), new Set(['']), 'painted over a question');
  assert.match(screen, /copied \d+ paths/);
});
