import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatPathInfoLine, parsePathInfos } from '../../src/format/path-info-json.ts';
import type { PathInfo } from '../../src/model/path-info.ts';
import { narinfo } from '../property/arbitraries.ts';

const dir = '/nix/store';
const a = `${'0'.repeat(32)}-a`;
const b = `${'1'.repeat(32)}-b`;
const hash = 'sha256-qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=';
const one = { narHash: hash, narSize: 12, references: [`${dir}/${a}`] };

test('what is written is read again, any number of lines', () => {
  const property = fc.property(fc.uniqueArray(narinfo, { selector: (info) => info.path, maxLength: 4 }), (infos) => {
    const text = infos.map((info) => `${formatPathInfoLine(info, dir)}\n`).join('');
    const plain = infos.map(({ file: _, ...info }): PathInfo => info);
    assert.deepEqual([...parsePathInfos(text, dir).values()], plain);
  });
  fc.assert(property);
});

test('the forms of every Nix: a list with invalid paths, an object by path, base names, addresses as objects', () => {
  const list = JSON.stringify([
    { path: `${dir}/${a}`, ...one },
    { path: `${dir}/${b}`, valid: false },
  ]);
  const object = JSON.stringify({
    [`${dir}/${a}`]: { ...one, ca: null, deriver: null, signatures: [] },
    [`${dir}/${b}`]: null,
  });
  const newest = JSON.stringify({
    version: 2,
    storeDir: dir,
    info: { [a]: { ...one, references: [a], ca: { method: 'nar', hash } } },
  });
  for (const text of [list, object, newest]) {
    const infos = parsePathInfos(text, dir);
    assert.deepEqual([...infos.keys()], [a], text);
    assert.deepEqual([...infos.values()][0]!.references, [a], text);
  }
  assert.equal([...parsePathInfos(newest, dir).values()][0]!.ca?.method, 'nar');
  assert.equal(parsePathInfos('', dir).size, 0);
});

test('what is wrong is told with its place', () => {
  const place = { source: 'infos' };
  const line = JSON.stringify({ path: `${dir}/${a}`, ...one });
  assert.throws(() => parsePathInfos(`${line}\n{"path":1}\n`, dir, place), {
    code: 'format',
    message: /line 2 of infos/,
  });
  assert.throws(() => parsePathInfos(line.replace(dir, '/gnu/store'), dir, place), {
    code: 'format',
    message: /path in infos/,
  });
  assert.throws(() => parsePathInfos(line.replace('12', '-1'), dir, place), {
    code: 'format',
    message: /size in bytes/,
  });
  assert.throws(() => parsePathInfos('nonsense', dir, place), { code: 'format', message: /infos/ });
});
