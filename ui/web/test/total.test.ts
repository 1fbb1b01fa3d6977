//! What is said of results: how many there are, and what lies beside them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { language } from '../src/core/prefs';
import { fromAddress } from '../src/search/criteria';
import { nearest } from '../src/search/nothing';
import type { Overview, Why } from '../src/search/source';
import { totalOf } from '../src/search/total';

language.value = 'en';
const CHART: Overview = {
  startMs: 0, stepMs: 1000, cols: 10, edgesUs: [1, 10, 100, 1000, 10_000], cells: [], exemplars: [],
  groups: [], moreGroups: 0, traces: 10_000, errors: 0, spans: 1, complete: true,
  meta: { tookMs: 1 },
};

test('a_bound_is_no_total', () => {
  assert.equal(totalOf(CHART, 50, 'c'), '10,000');
  assert.equal(totalOf(CHART, 10_000, null), null);
  assert.equal(totalOf(null, 50, 'c'), null);
  const cut = { ...CHART, complete: false };
  assert.equal(totalOf({ ...cut, reason: 'traces' }, 50, 'c'), 'more than 10,000');
  assert.equal(totalOf({ ...cut, reason: 'time', traces: 60 }, 50, 'c'), 'at least 60');
  assert.equal(totalOf({ ...cut, reason: 'time', traces: 60 }, 80, null), null);
  // Rows go on where charts have stopped.
  const bound: Overview = { ...cut, reason: 'traces' };
  assert.equal(totalOf(bound, 10_000, 'c'), 'more than 10,000');
  assert.equal(totalOf(bound, 10_050, 'c'), 'more than 10,050');
  assert.equal(totalOf({ ...cut, reason: 'time', traces: 60 }, 80, 'c'), 'more than 80');
  assert.equal(totalOf(bound, 10_050, null), null, 'those are all');
});

test('the_match_beside_a_search_is_before_or_behind_it', () => {
  const of = (query: string) => fromAddress(new URLSearchParams(query),
    { lookbackMs: 900_000, limit: 10 });
  const why: Why = {
    clauses: [], wider: null, store: { oldestMs: 1, newestMs: 2, spans: 3 }, complete: true,
  };
  const at = (startMs: number) =>
    ({ ...why, wider: { startMs, endMs: startMs + 1, traceId: '1' } });
  const range = of('lookback=range&startTs=5000&endTs=9000');
  assert.equal(nearest(at(4000), range, 99_000), 'nothing.before');
  assert.equal(nearest(at(9500), range, 99_000), 'nothing.behind');
  // Seven days before now are the last seven days; those around another time are not.
  assert.equal(nearest(why, of('lookback=1h'), 99_000), 'nothing.week');
  assert.equal(nearest(why, range, 99_000), 'nothing.around');
});
