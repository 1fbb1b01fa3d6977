//! When searches look that lead from a trace to others.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromAddress, windowOf } from '../src/search/criteria';
import { build } from '../src/trace/build';
import { timeAround } from '../src/trace/similar';
import { span } from './helpers';

const DEFAULTS = { lookbackMs: 900_000, limit: 10 };
const NOW_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;

function around(agoMs: number, last: string | null) {
  const atUs = (NOW_MS - agoMs) * 1000;
  const { columns } = build([span('1', undefined, { timestamp: atUs, duration: 5000 })]);
  const time = timeAround(columns, last === null ? null : new URLSearchParams(last), DEFAULTS, NOW_MS);
  const window = windowOf(fromAddress(new URLSearchParams(time), DEFAULTS), NOW_MS);
  return { time, holds: window.startMs < atUs / 1000 && window.endMs > atUs / 1000 + 5 };
}

test('others_are_searched_at_the_time_of_the_trace', () => {
  for (const ago of [0, 60_000, 3 * DAY_MS]) {
    for (const last of [null, 'lookback=15m', 'lookback=1h', 'lookback=range&startTs=1&endTs=2']) {
      assert.ok(around(ago, last).holds, `${ago} ${last}`);
    }
  }
});

test('the_time_of_the_last_search_is_kept_when_the_trace_lies_well_in_it', () => {
  assert.deepEqual(around(60_000, 'serviceName=a&lookback=1d').time, { lookback: '1d' });
  // So near to the edge it would fall out while one reads.
  assert.equal(around(DAY_MS - 1000, 'lookback=1d').time.lookback, 'range');
  const range = { lookback: 'range', startTs: '1', endTs: String(NOW_MS) };
  assert.deepEqual(around(DAY_MS, new URLSearchParams(range).toString()).time, range);
});

test('a_trace_without_any_time_is_searched_for_at_none', () => {
  const { columns } = build([span('1', undefined, { timestamp: undefined })]);
  assert.deepEqual(timeAround(columns, null, DEFAULTS, NOW_MS), {});
});
