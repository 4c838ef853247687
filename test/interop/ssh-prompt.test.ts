// Passwords: ssh asks for them on the terminal that narrow paints its progress on.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../e2e/narrow.ts';
import { closure } from '../lab/closures.ts';
import { schemes, start } from './ssh-lab.ts';

for (const scheme of schemes) {
  test(`${scheme}: nothing is painted over the question for a password, and the answer is not shown`, async () => {
    const basic = await closure('basic');
    const pi = {
      users: [{ name: 'bob', trusted: true }],
      daemon: true,
      sshd: 'Match User bob\n  PasswordAuthentication yes',
    };
    await using lab = await start({ pi }, basic);
    await lab.exec('pi', ['sh', '-c', 'echo bob:open-sesame | chpasswd']);
    const options = '-oPubkeyAuthentication=no';
    const words = `NIX_SSHOPTS=${options} ${command} copy --no-check-sigs --to ${scheme}://bob@pi ${basic.top}`;
    // a terminal of its own
    const [program, ...args] = lab.command('work', ['script', '-qec', words, '/dev/null']);
    const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let screen = '';
    child.stdout.on('data', (data: Buffer) => (screen += data.toString()));
    const closed = once(child, 'close');
    const deadline = Date.now() + 20_000;
    while (!screen.includes('password:') && Date.now() < deadline) await sleep(20);
    await sleep(700);
    const shown = screen.slice(screen.indexOf('password:') + 'password:'.length);
    child.stdin.write('open-sesame\n');
    await closed;
    assert.match(screen, /bob@pi's password:/);
    assert.equal(shown.trim(), '', 'painted over the question');
    assert.match(screen, /copied \d+ paths/);
    assert.doesNotMatch(screen, /sesame/);
  });
}
