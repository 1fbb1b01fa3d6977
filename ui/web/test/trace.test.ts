//! The tree of a trace: order, what is missing, circles, clocks, self time, critical path.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../src/trace/build';
import { criticalPath, shareOf, timesOn } from '../src/trace/critical';
import {
  CYCLE, idText, NO_TIME, PLACEHOLDER, serviceOf, SKEWED, type Columns,
} from '../src/trace/model';
import { chance, randomTrace, span } from './helpers';

const ids = (columns: Columns) =>
  Array.from({ length: columns.count }, (_, i) => idText(columns, i).replace(/^0+/, ''));

test('children_follow_their_parent_in_order_of_start', () => {
  const { columns } = build([
    span('3', '1', { timestamp: 1050 }), span('1', undefined), span('4', '2', { timestamp: 1020 }),
    span('2', '1', { timestamp: 1010 }),
  ]);
  assert.deepEqual(ids(columns), ['1', '2', '4', '3']);
  assert.deepEqual([...columns.depth], [0, 1, 2, 1]);
  assert.deepEqual([...columns.end], [4, 3, 3, 4]);
  assert.deepEqual([...columns.start], [0, 10, 20, 50]);
});

test('random_trees_are_ordered_whole_and_within_their_parents', () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const { columns } = build(randomTrace(seed, 200));
    assert.equal(new Set(columns.source).size, 200, `seed ${seed}`);
    for (let i = 1; i < columns.count; i += 1) {
      const up = columns.parent[i];
      assert.ok(up < i && i < columns.end[up] && columns.end[i] <= columns.end[up], `seed ${seed}`);
      assert.equal(columns.depth[i], columns.depth[up] + 1);
    }
  }
});

test('a_missing_parent_gets_one_placeholder', () => {
  const { columns } = build([span('2', '9', { timestamp: 2000 }), span('3', '9', { timestamp: 1500 })]);
  assert.deepEqual(ids(columns), ['9', '3', '2']);
  assert.equal(columns.flags[0] & PLACEHOLDER, PLACEHOLDER);
  assert.equal(columns.notes.missingParents, 1);
  assert.deepEqual([columns.start[0], columns.dur[0]], [0, 600]);
});

test('a_circle_is_cut_once', () => {
  const { columns } = build([span('1', '2'), span('2', '3'), span('3', '1'), span('4', '1')]);
  assert.equal(columns.count, 4);
  assert.equal(columns.notes.cycles, 1);
  assert.equal([...columns.flags].filter((flag) => flag & CYCLE).length, 1);
  assert.equal(build([span('5', '5')]).columns.parent[0], -1);
});

test('both_halves_of_a_shared_span_stay_and_the_server_is_the_child', () => {
  const { columns } = build([
    span('1', undefined, { kind: 'CLIENT', service: 'front' }),
    span('1', undefined, { kind: 'SERVER', service: 'back', shared: true, timestamp: 1010, duration: 50 }),
    span('2', '1', { service: 'back', timestamp: 1020, duration: 10 }),
  ]);
  assert.deepEqual([0, 1, 2].map((i) => serviceOf(columns, i)), ['front', 'back', 'back']);
  assert.deepEqual([...columns.parent], [-1, 0, 1]);
});

test('reports_of_one_span_are_joined', () => {
  const { columns, spans } = build([
    span('1', undefined, { duration: undefined, tags: { a: '1' } }),
    span('1', undefined, { duration: 70, tags: { b: '2' } }),
  ]);
  assert.equal(columns.count, 1);
  assert.equal(columns.dur[0], 70);
  assert.deepEqual(spans[0].tags, { a: '1', b: '2' });
  assert.equal(columns.notes.merged, 1);
});

test('a_span_without_time_stands_where_its_parent_begins', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 5000 }),
    span('2', '1', { timestamp: undefined, duration: undefined }),
  ]);
  assert.equal(columns.start[1], 0);
  assert.equal(columns.flags[1] & NO_TIME, NO_TIME);
  const none = build([span('1', undefined, { timestamp: undefined })]).columns;
  assert.deepEqual([none.count, none.start[0], none.t0], [1, 0, 0]);
});

test('a_host_whose_clock_is_behind_is_moved_into_the_call_and_raw_is_not', () => {
  const spans = [
    span('1', undefined, { kind: 'CLIENT', timestamp: 10_000, duration: 1000, service: 'front' }),
    span('2', '1', { kind: 'SERVER', timestamp: 4000, duration: 600, service: 'back' }),
    span('3', '2', { timestamp: 4100, duration: 100, service: 'back' }),
  ];
  const { columns } = build(structuredClone(spans));
  assert.deepEqual([...columns.start], [0, 200, 300]);
  assert.equal(columns.flags[1] & SKEWED, SKEWED);
  assert.deepEqual(columns.notes.shifts, [{ service: 'back', us: 6200 }]);
  const raw = build(spans, true).columns;
  assert.deepEqual([...raw.start], [6000, 0, 100]);
  assert.deepEqual(raw.notes.shifts, []);
});

test('a_message_that_is_read_late_is_no_skew', () => {
  const { columns } = build([
    span('1', undefined, { kind: 'PRODUCER', timestamp: 1000, duration: 10 }),
    span('2', '1', { kind: 'CONSUMER', timestamp: 900_000, duration: 5, service: 'back' }),
  ]);
  assert.deepEqual(columns.notes.shifts, []);
});

test('self_time_is_what_no_child_covers', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: 100 }),
    span('2', '1', { timestamp: 1010, duration: 30 }), span('3', '1', { timestamp: 1020, duration: 40 }),
    span('4', '1', { timestamp: 1090, duration: 50 }),
  ]);
  // Of 0..100: covered are 10..60 and 90..100.
  assert.equal(columns.self[0], 40);
  assert.deepEqual([...columns.selfAt.slice(0, 4)], [0, 10, 60, 90]);
});

/**
 * Who held the trace up at a moment: of a span's children, that last until `until` and no longer,
 * the one that ended last did from its start on, before that the one that had ended last by then,
 * and so on; what none of them covers is the span's own.
 */
function holderAt(columns: Columns, span: number, until: number, moment: number): number {
  const { start, dur, end } = columns;
  const children: { c: number; from: number; to: number }[] = [];
  for (let c = span + 1; c < end[span]; c = end[c]) {
    const to = Math.min(start[c] + dur[c], until);
    if (to > start[c]) children.push({ c, from: start[c], to });
  }
  children.sort((a, b) => b.to - a.to || a.from - b.from);
  let edge = until;
  for (const { c, from, to } of children) {
    if (to > edge) continue;
    if (to <= moment) return span;
    if (from <= moment) return holderAt(columns, c, to, moment);
    edge = from;
  }
  return span;
}

/**
 * Random spans whose calls may last longer than who made them, as those that time out do, and may
 * begin before, as those do whose clock is ahead by less than anyone corrects.
 */
function looseTrace(seed: number, count: number) {
  const random = chance(seed);
  const spans = [span('1', undefined, { timestamp: 1_000_000, duration: 1000 })];
  for (let k = 2; k <= count; k += 1) {
    const parent = spans[Math.floor(random() * spans.length)];
    const from = Math.floor((random() * 1.5 - 0.5) * (parent.duration ?? 1));
    spans.push(span(k.toString(16), parent.id, {
      timestamp: (parent.timestamp ?? 0) + from, duration: 1 + Math.floor(random() * 900),
    }));
  }
  return spans;
}

test('at_each_moment_the_critical_path_is_with_who_held_the_trace_up', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const spans = seed % 2 ? randomTrace(seed, 60) : looseTrace(seed, 40);
    const { columns } = build(spans, true);
    const path = criticalPath(columns);
    const [begin, until] = [columns.start[0], columns.start[0] + columns.dur[0]];
    let at = begin;
    for (let k = 0; k < path.span.length; k += 1) {
      assert.equal(path.from[k], at, `seed ${seed}: no gap, nothing twice`);
      at = path.to[k];
      const moment = (path.from[k] + path.to[k]) / 2;
      assert.equal(path.span[k], holderAt(columns, 0, until, moment), `seed ${seed} at ${moment}`);
    }
    assert.equal(at, until, `seed ${seed}: all of the root`);
    const random = chance(seed);
    for (let k = 0; k < 50; k += 1) {
      const moment = begin + random() * (until - begin);
      const piece = path.from.findLastIndex((from) => from <= moment);
      const holder = holderAt(columns, 0, until, moment);
      assert.equal(path.span[piece], holder, `seed ${seed} at ${moment}`);
    }
    assert.equal(path.length, columns.dur[0]);
  }
});

test('no_moment_is_twice_on_the_critical_path_below_any_span', () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const { columns } = build(looseTrace(seed, 40), true);
    for (let i = 0; i < columns.count; i += 1) {
      const path = criticalPath(columns, i);
      const [begin, until] = [columns.start[i], columns.start[i] + columns.dur[i]];
      path.from.forEach((from, k) => {
        assert.equal(from, k === 0 ? begin : path.to[k - 1], `seed ${seed}, below ${i}`);
      });
      assert.equal(path.to.at(-1), until, `seed ${seed}, below ${i}`);
      assert.equal(path.length, columns.dur[i], `seed ${seed}, below ${i}`);
    }
  }
});

test('what_a_call_did_before_its_caller_began_is_not_on_the_path', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: 1000 }),
    span('a', '1', { timestamp: 1500, duration: 400 }),
    span('b', 'a', { timestamp: 1200, duration: 600 }),
  ], true);
  assert.deepEqual(shares(columns), { 1: 600, a: 100, b: 300 });
});

test('a_call_that_outlives_its_caller_is_looked_into_as_far_as_it_was_waited_for', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: 1000, kind: 'CLIENT' }),
    span('2', '1', { timestamp: 1000, duration: 3000, kind: 'SERVER' }),
    span('3', '2', { timestamp: 1100, duration: 2800, kind: 'CLIENT' }),
    span('4', '3', { timestamp: 1200, duration: 2600, kind: 'SERVER' }),
  ], true);
  assert.deepEqual(shares(columns, 0), { 2: 100, 3: 100, 4: 800 });
});

/** What each span, by its id, has of the critical path. */
function shares(columns: Columns, below: number | null = null): Record<string, number> {
  const path = criticalPath(columns, below);
  const sums: Record<string, number> = {};
  path.span.forEach((i, k) => {
    const id = ids(columns)[i];
    sums[id] = (sums[id] ?? 0) + path.to[k] - path.from[k];
  });
  return sums;
}

test('the_critical_path_of_a_root_without_duration_goes_to_the_end_of_what_is_below', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: undefined }),
    span('2', '1', { timestamp: 1010, duration: undefined }),
    span('3', '2', { timestamp: 1020, duration: 30 }),
    span('4', '1', { timestamp: 1060, duration: 40 }),
  ]);
  assert.deepEqual(shares(columns), { 1: 20, 2: 10, 3: 30, 4: 40 });
  const { columns: alone } = build([span('1', undefined, { duration: undefined })]);
  assert.deepEqual(shares(alone), {});
});

test('the_critical_path_goes_over_all_roots_and_gaps_are_nobodys', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: 100 }),
    span('2', '1', { timestamp: 1050, duration: 40 }),
    span('3', undefined, { timestamp: 1120, duration: 80 }),
    span('4', undefined, { timestamp: 1130, duration: 20 }),
  ]);
  assert.equal(columns.total, 200);
  assert.deepEqual(shares(columns), { 1: 60, 2: 40, 3: 80 });
  assert.deepEqual(shares(columns, 0), { 1: 60, 2: 40 }, 'below a span it is that of the span');
});

test('shares_are_of_the_path_wherever_they_are_shown', () => {
  const { columns } = build([
    span('1', undefined, { timestamp: 1000, duration: 100 }),
    span('2', '1', { timestamp: 1050, duration: 40 }),
    span('3', undefined, { timestamp: 1200, duration: 100 }),
  ]);
  // Half of the time is before, or between, what ran: the shares are of the rest.
  const shown = (below: number | null) => {
    const path = criticalPath(columns, below);
    const times = timesOn(path, columns.count);
    assert.equal(times.reduce((sum, us) => sum + us, 0), path.length);
    return [0, 1, 2].map((i) => {
      assert.equal(shareOf(path, i), times[i] / path.length);
      return shareOf(path, i);
    });
  };
  assert.deepEqual(shown(null), [0.3, 0.2, 0.5]);
  assert.deepEqual(shown(0), [0.6, 0.4, 0]);
});

test('how_long_a_trace_takes_by_clocks_as_they_are_is_kept', () => {
  const skewed = [
    span('1', undefined, { timestamp: 10_000, duration: 100, kind: 'CLIENT' }),
    span('2', '1', { timestamp: 5_000, duration: 80, kind: 'SERVER', service: 'b' }),
  ];
  const { columns } = build(skewed);
  assert.deepEqual([columns.total, columns.notes.rawTotal], [100, 5100]);
  assert.equal(build(skewed, true).columns.total, 5100);
});

test('ten_thousand_levels_and_a_hundred_thousand_siblings_are_no_trouble', () => {
  const chain = Array.from({ length: 10_000 }, (_, k) =>
    span((k + 1).toString(16), k === 0 ? undefined : k.toString(16), { timestamp: 1000 + k, duration: 50_000 - k }));
  const deep = build(chain).columns;
  assert.equal(deep.notes.depth, 10_000);
  assert.equal(criticalPath(deep).on[9999], 1);
  const wide = build([span('1', undefined, { duration: 1_000_000 }), ...Array.from({ length: 100_000 }, (_, k) =>
    span((k + 2).toString(16), '1', { timestamp: 1000 + k * 5, duration: 4 }))]).columns;
  assert.equal(wide.run[1], 100_000);
  assert.equal(criticalPath(wide).on[100_000], 1);
});
