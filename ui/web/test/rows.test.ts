//! Rows of the waterfall: folding, runs, a new root, what is left out; finding.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../src/trace/build';
import { find } from '../src/trace/find';
import { layout, passing, rowOf, type View } from '../src/trace/rows';
import { randomTrace, span } from './helpers';

const ALL: View = {
  root: null, closed: new Set(), fold: false, open: new Set(), minUs: 0, only: null,
};

const calls = () => build([
  span('1', undefined, { duration: 1000 }),
  ...Array.from({ length: 6 }, (_, k) =>
    span((k + 2).toString(16), '1', { timestamp: 1000 + k * 20, duration: 10 + k, name: 'get' })),
  span('9', '1', { timestamp: 1500, duration: 5, name: 'last' }),
]).columns;

test('without_folding_every_span_has_a_row', () => {
  const { columns } = build(randomTrace(3, 100));
  const rows = layout(columns, ALL);
  assert.deepEqual([...rows.span], Array.from({ length: 100 }, (_, i) => i));
  assert.equal(rowOf(rows, columns, 57), 57);
});

test('a_closed_subtree_hides_what_is_below_and_its_row_stands_for_it', () => {
  const { columns } = build(randomTrace(4, 100));
  const inner = [...columns.end].findIndex((end, i) => i > 0 && end > i + 3);
  const rows = layout(columns, { ...ALL, closed: new Set([inner]) });
  assert.equal(rows.count, 100 - (columns.end[inner] - inner - 1));
  assert.equal(rowOf(rows, columns, inner + 1), rowOf(rows, columns, inner));
});

test('like_siblings_fold_into_one_row_and_unfold_one_level_deeper', () => {
  const columns = calls();
  const folded = layout(columns, { ...ALL, fold: true });
  assert.deepEqual([...folded.run], [0, 6, 0]);
  assert.equal(rowOf(folded, columns, 4), 1);
  const open = layout(columns, { ...ALL, fold: true, open: new Set([1]) });
  assert.deepEqual([...open.run], [0, 6, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...open.level], [0, 1, 2, 2, 2, 2, 2, 2, 1]);
  assert.equal(rowOf(open, columns, 1), 2);
});

test('a_new_root_stands_at_level_nought', () => {
  const { columns } = build(randomTrace(5, 80));
  const inner = [...columns.end].findIndex((end, i) => i > 0 && end > i + 2);
  const rows = layout(columns, { ...ALL, root: inner });
  assert.equal(rows.count, columns.end[inner] - inner);
  assert.equal(rows.level[0], 0);
  assert.equal(rowOf(rows, columns, 0), -1);
});

test('short_spans_are_left_out_but_never_the_root', () => {
  const rows = layout(calls(), { ...ALL, minUs: 13 });
  assert.deepEqual([...rows.span], [0, 4, 5, 6]);
});

test('only_matches_keeps_their_ancestors', () => {
  const { columns, spans } = build(randomTrace(6, 120));
  const match = find(columns, spans, 'service=c');
  const rows = layout(columns, { ...ALL, only: match });
  const shown = new Set(rows.span);
  for (let i = 0; i < columns.count; i += 1) {
    if (!match[i]) continue;
    for (let up = i; up >= 0; up = columns.parent[up]) assert.ok(shown.has(up));
  }
  const leaf = [...shown].filter((i) => ![...shown].some((j) => columns.parent[j] === i));
  assert.ok(leaf.length > 0 && leaf.every((i) => match[i] === 1));
});

test('what_passes_the_filters_is_what_has_rows_when_nothing_is_folded', () => {
  const { columns, spans } = build(randomTrace(7, 150));
  const only = find(columns, spans, 'service=b');
  const inner = [...columns.end].findIndex((end, i) => i > 0 && end > i + 4);
  const filters = [{ minUs: 300 }, { only }, { root: inner }, { root: inner, minUs: 100, only }];
  for (const some of filters) {
    const view = { ...ALL, ...some };
    const shown = new Set(layout(columns, view).span);
    const marks = passing(columns, view);
    assert.ok(shown.size > 0 && shown.size < columns.count);
    assert.deepEqual([...marks].flatMap((mark, i) => (mark ? [i] : [])), [...shown]);
  }
});

test('a_run_of_which_all_are_too_short_has_no_row', () => {
  assert.deepEqual([...layout(calls(), { ...ALL, fold: true, minUs: 13 }).run], [0, 6]);
  assert.deepEqual([...layout(calls(), { ...ALL, fold: true, minUs: 16 }).run], [0]);
});

test('finding_looks_at_names_ids_tags_and_annotations', () => {
  const { columns, spans } = build([
    span('abc', undefined, { name: 'get /cart' }),
    span('2', 'abc', { tags: { 'http.path': '/Basket', error: '' }, service: 'shop' }),
    span('3', 'abc', { annotations: [{ timestamp: 1001, value: 'cache miss' }], duration: 7 }),
  ]);
  const found = (text: string) => [...find(columns, spans, text)].map((mark, i) => (mark ? i : -1))
    .filter((i) => i >= 0);
  assert.deepEqual(found('CART'), [0]);
  assert.deepEqual(found('basket'), [1]);
  assert.deepEqual(found('cache miss'), [2]);
  assert.deepEqual(found('abc'), [0]);
  assert.deepEqual(found('error'), [1]);
  assert.deepEqual(found('service=shop'), [1]);
  assert.deepEqual(found('http.path=/Basket'), [1]);
  assert.deepEqual(found('duration<10us'), [2]);
  assert.deepEqual(found('  '), []);
});
