import assert from 'node:assert/strict';
import type { WriteStream } from 'node:tty';
import { test } from 'node:test';
import { Frame } from '../../../src/cli/output/terminal.ts';

/** A terminal that keeps what it is sent. */
class Terminal {
  columns: number;
  sent = '';

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): boolean {
    this.sent += text;
    return true;
  }

  /** What was sent since the last call, escapes shown. */
  take(): string {
    const text = this.sent.replaceAll('\x1b', '^');
    this.sent = '';
    return text;
  }
}

function frameOn(columns: number): { frame: Frame; terminal: Terminal } {
  const terminal = new Terminal(columns);
  return { terminal, frame: new Frame(terminal as unknown as WriteStream) };
}

test('what is said while a frame is painted stands above it, and the frame below', () => {
  const { frame, terminal } = frameOn(20);
  frame.paint(['one', 'two']);
  assert.equal(terminal.take(), 'one\ntwo\n');
  frame.above('a warning');
  assert.equal(terminal.take(), '^[20D^[2A^[0Ja warning\none\ntwo\n');
  frame.clear();
  frame.above('the end');
  assert.equal(terminal.take(), '^[20D^[2A^[0Jthe end\n');
});

test('lines are cut to the width, and one that a narrower terminal has wrapped counts as the rows it takes', () => {
  const { frame, terminal } = frameOn(20);
  frame.paint(['x'.repeat(30)]);
  assert.equal(terminal.take(), `${'x'.repeat(18)}…\n`);
  terminal.columns = 10;
  frame.paint([]);
  assert.equal(terminal.take(), '^[10D^[2A^[0J');
});

test('nothing is painted while somebody else asks a question, and the frame comes back after it', async () => {
  const { frame, terminal } = frameOn(20);
  frame.paint(['one']);
  terminal.take();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  frame.pause(first.promise);
  assert.equal(terminal.take(), '^[20D^[1A^[0J');
  frame.pause(second.promise);
  first.resolve();
  await first.promise;
  frame.paint(['two']);
  assert.equal(terminal.take(), '');
  second.reject(new Error('no'));
  await second.promise.catch(() => {});
  frame.paint(['three']);
  assert.equal(terminal.take(), 'three\n');
});
