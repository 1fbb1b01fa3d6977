//! What is folded, written into an address and read back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../src/trace/build';
import { below, closedOf, foldsOf, listed, LISTED_MAX, unlisted } from '../src/trace/folds';
import { chance, randomTrace, span } from './helpers';

const sorted = (list: Iterable<number>) => [...list].sort((a, b) => a - b);

test('a_whole_level_and_what_differs_from_it_are_read_back', () => {
  const { columns } = build(randomTrace(21, 2000));
  const random = chance(5);
  for (const level of [null, 1, 2, 3, 5]) {
    const closed = below(columns, level);
    for (let k = 0; k < LISTED_MAX; k += 1) {
      const i = Math.floor(random() * columns.count);
      if (!closed.delete(i)) closed.add(i);
    }
    const folds = foldsOf(columns, closed, level);
    assert.deepEqual(sorted(closedOf(columns, folds)), sorted(closed), `level ${level}`);
  }
  assert.ok(below(columns, 2).size > LISTED_MAX, 'more is folded than could be named');
});

test('an_address_of_folds_is_bounded', () => {
  const { columns } = build(randomTrace(22, 3000));
  const folds = foldsOf(columns, below(columns, 1), null);
  assert.equal(folds.closed.split('.').length, LISTED_MAX);
  assert.ok(Object.values(folds).join('&').length < 2500);
  const read = closedOf(columns, { level: 'x', closed: 'y..0', opened: '' });
  assert.equal(read.size, 0);
});

test('an_address_names_one_half_of_a_shared_span', () => {
  const { columns } = build([
    span('1', undefined), span('2', '1', { kind: 'CLIENT' }),
    span('2', '1', { kind: 'SERVER', service: 'b', shared: true }),
    span('3', '2', { service: 'b' }),
  ]);
  assert.deepEqual([...columns.ids], [1n, 2n, 2n, 3n]);
  for (const half of [1, 2]) {
    assert.deepEqual(unlisted(columns, listed(columns, [half])), [half]);
    const folds = foldsOf(columns, new Set([half]), null);
    assert.deepEqual([...closedOf(columns, folds)], [half]);
  }
  assert.deepEqual(unlisted(columns, listed(columns, [1, 2])), [1, 2]);
  assert.deepEqual(unlisted(columns, '0000000000000002'), [1], 'as older addresses have it');
  // Where only one half is there, each name means that one.
  const { columns: alone } = build([span('2', '1', { shared: true })]);
  assert.deepEqual(unlisted(alone, '2').map((i) => alone.ids[i]), [2n]);
  assert.deepEqual(unlisted(alone, '2-s.2').length, 1);
  assert.deepEqual(unlisted(columns, '3-s'), [3]);
});
