import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable } from '../../../src/cli/output/printable.ts';

test('what a stranger wrote does not reach the terminal as a command', () => {
  assert.equal(printable('a\x1b]0;title\x07b\x9b2J\r\x00\x7f'), 'a\\x1b]0;title\\x07b\\x9b2J\\x0d\\x00\\x7f');
});

test('text stays text', () => {
  const text = 'line\n\thint: 32 höchstens, \u{1f600} …';
  assert.equal(printable(text), text);
});
