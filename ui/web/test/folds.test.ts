//! What is folded, written into an address and read back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../src/trace/build';
import { below, closedOf, foldsOf, LISTED_MAX } from '../src/trace/folds';
import { chance, randomTrace } from './helpers';

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
