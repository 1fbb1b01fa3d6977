//! Filters of the dependency graph, sums of a table, flames, and files.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolated } from '../src/core/format';
import { around, filtered, isPicture, sumsOf } from '../src/graph/links';
import { build } from '../src/trace/build';
import { linksOf } from '../src/trace/calls';
import { beside, byTime, byWeight } from '../src/trace/flamelayout';
import { failedWithin } from '../src/trace/rows';
import { read } from '../src/trace/read';
import { randomTrace, span } from './helpers';

const LINKS = [
  { parent: 'a', child: 'b', callCount: 10, errorCount: 1 },
  { parent: 'b', child: 'c', callCount: 5 }, { parent: 'c', child: 'a', callCount: 1 },
  { parent: 'x', child: 'b', callCount: 2 },
];

test('a_focus_keeps_what_is_near', () => {
  assert.deepEqual([...around(LINKS, 'a', 1)].sort(), ['a', 'b', 'c']);
  const near = filtered(LINKS, { focus: 'x', depth: 1, minCalls: 0, errorsOnly: false });
  assert.deepEqual(near, [LINKS[3]]);
  assert.deepEqual(filtered(LINKS, { focus: '', depth: 1, minCalls: 5, errorsOnly: false }), LINKS.slice(0, 2));
  assert.deepEqual(filtered(LINKS, { focus: '', depth: 1, minCalls: 0, errorsOnly: true }), [LINKS[0]]);
});

test('calls_are_summed_at_both_ends', () => {
  assert.deepEqual(sumsOf(LINKS).get('b'), { calls: 12, errors: 1, out: 5 });
});

test('who_sent_no_span_is_called_all_the_same', () => {
  const names = (serviceName: string) => ({ remoteEndpoint: { serviceName } });
  const { columns } = build([
    span('1', undefined, { service: 'shop', kind: 'SERVER', ...names('browser') }),
    span('2', '1', { service: 'shop', kind: 'CLIENT', ...names('stock') }),
    span('3', '2', { service: 'stock', kind: 'SERVER', ...names('shop') }),
    span('4', '3', { service: 'stock', kind: 'CLIENT', tags: { error: '' }, ...names('mysql') }),
    span('5', '3', { service: 'stock', kind: 'CLIENT', ...names('mysql') }),
    span('6', '3', { service: 'stock', ...names('nobody') }),
  ]);
  const { links, self } = linksOf(columns);
  assert.deepEqual(links.map(({ parent, child, callCount, errorCount }) =>
    `${parent}>${child} ${callCount} ${errorCount}`).sort(),
  ['browser>shop 1 0', 'shop>stock 1 0', 'stock>mysql 2 1']);
  assert.deepEqual([...self.keys()].sort(), ['shop', 'stock']);
});

test('flames_stand_within_those_below_them', () => {
  const { columns } = build(randomTrace(9, 150), true);
  const flames = byWeight(columns);
  const byLevel = new Map<number, number[]>();
  for (let k = 0; k < flames.count; k += 1) {
    assert.ok(flames.from[k] >= -1e-9 && flames.to[k] <= 1 + 1e-9);
    byLevel.set(flames.level[k], [...(byLevel.get(flames.level[k]) ?? []), k]);
  }
  for (const [level, list] of byLevel) {
    if (level === 0) continue;
    for (const k of list) {
      const under = (byLevel.get(level - 1) ?? []).some((below) =>
        flames.from[below] <= flames.from[k] + 1e-9 && flames.to[below] >= flames.to[k] - 1e-9);
      assert.ok(under);
    }
  }
  // What is drawn relies on it: of what falls on one pixel the first one stands for all.
  for (const list of byLevel.values()) {
    list.slice(1).forEach((k, i) => assert.ok(flames.from[k] >= flames.to[list[i]] - 1e-9));
  }
  const merged = byWeight(columns);
  assert.equal(merged.merged.reduce((sum, n) => sum + n, 0), columns.count);
});

test('flames_of_what_ran_at_once_do_not_cover_each_other', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { columns } = build(randomTrace(seed, 60));
    const flames = byTime(columns);
    for (let k = 0; k < flames.count; k += 1) {
      const up = columns.parent[k];
      assert.ok(up < 0 ? flames.level[k] >= 0 : flames.level[k] > flames.level[up]);
      for (let other = 0; other < k; other += 1) {
        if (flames.level[other] !== flames.level[k]) continue;
        assert.ok(flames.to[other] <= flames.from[k] || flames.to[k] <= flames.from[other], `seed ${seed}`);
      }
    }
  }
});

test('arrow_keys_reach_every_flame', () => {
  for (const lay of [byTime, byWeight]) {
    const { columns } = build(randomTrace(12, 120), true);
    const flames = lay(columns);
    const seen = new Set([0]);
    for (const k of seen) {
      for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown']) {
        seen.add(beside(flames, k, key) as number);
      }
    }
    assert.equal(seen.size, flames.count);
    assert.equal(beside(flames, 0, 'ArrowUp'), 0, 'above the first there is none');
    assert.equal(beside(flames, 0, 'x'), null);
  }
});

test('failures_within_a_range_of_spans_are_counted', () => {
  const { columns } = build([
    span('1', undefined), span('2', '1', { tags: { error: '' } }), span('3', '2', { tags: { error: 'x' } }),
    span('4', '1', { timestamp: 1050 }),
  ]);
  const sums = [[0, 4], [1, 3], [2, 3], [3, 4], [0, 1]].map(([from, to]) => failedWithin(columns, from, to));
  assert.deepEqual(sums, [2, 2, 1, 0, 0]);
});

test('services_without_calls_are_there_too', () => {
  const { columns } = build([
    span('1', undefined, { service: 'a' }), span('2', undefined, { service: 'b' }),
    span('3', undefined, { service: 'c' }), span('4', '3', { service: 'd' }),
  ]);
  const { links, services } = linksOf(columns);
  assert.deepEqual(links.map((link) => `${link.parent} ${link.child}`), ['c d']);
  assert.deepEqual(services, ['a', 'b', 'c', 'd']);
  assert.ok(!isPicture([], Array.from({ length: 301 }, (_, k) => String(k))));
});

test('names_from_right_to_left_are_set_apart', () => {
  assert.equal(isolated('get /x'), 'get /x');
  assert.equal(isolated('خدمة'), '\u2068خدمة\u2069');
});

test('files_of_both_formats_are_read', () => {
  const [v2] = read('[[{"traceId":"1","id":"2","timestamp":"5","name":"x"}]]');
  assert.equal(v2.timestamp, 5);
  const [v1] = read(JSON.stringify([{
    traceId: '1', id: '2', name: 'get', annotations: [
      { timestamp: 10, value: 'sr', endpoint: { serviceName: 's' } },
      { timestamp: 30, value: 'ss', endpoint: { serviceName: 's' } },
      { timestamp: 20, value: 'hit', endpoint: { serviceName: 's' } },
    ], binaryAnnotations: [{ key: 'a', value: 'b' }],
  }]));
  assert.deepEqual(
    [v1.kind, v1.timestamp, v1.duration, v1.localEndpoint?.serviceName, v1.tags?.a],
    ['SERVER', 10, 20, 's', 'b'],
  );
  assert.deepEqual(v1.annotations, [{ timestamp: 20, value: 'hit' }]);
  assert.throws(() => read('{'), SyntaxError);
  assert.throws(() => read('[1, 2]'), /no spans/);
});
