//! Which part of a trace's time is shown when it is opened.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../src/trace/build';
import { viewIn, wholeView } from '../src/trace/whole';
import { span } from './helpers';

test('the_part_that_an_address_names_lies_within_the_trace', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: 20_000 }),
    span('2', '1', { timestamp: 6000, duration: 5000 }),
  ]);
  const seen = (query: string, at: number | null = null) => {
    const { from, to } = viewIn(wholeView(columns, at), new URLSearchParams(query));
    return [from, to];
  };
  assert.deepEqual(seen('from=100&to=300'), [100, 300]);
  assert.deepEqual(seen('to=300'), [0, 300]);
  // What was zoomed in on in a longer one.
  assert.deepEqual(seen('from=9000000&to=9500000'), [0, 20_000]);
  assert.deepEqual(seen('from=15000&to=9500000'), [15_000, 20_000]);
  assert.deepEqual(seen('from=6000&to=7000', 1), [6000, 7000]);
  assert.deepEqual(seen('from=100&to=7000', 1), [5000, 7000], 'nor beyond what is below a root');
  for (const query of ['', 'from=9&to=9', 'from=9&to=3', 'from=-5&to=-1', 'from=a&to=b']) {
    assert.deepEqual(seen(query), [0, 20_000], query);
  }
});
