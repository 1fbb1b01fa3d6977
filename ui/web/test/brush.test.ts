//! A selection in a chart by keys, and its words.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boxOf, boxText, firstCell, moved, type Brush } from '../src/search/brush';
import type { Overview } from '../src/search/source';

const SIZE = { cols: 20, rows: 5 };
const at = (x: number, y: number): Brush => ({ from: { x, y }, to: { x, y } });
const CHART: Overview = {
  startMs: 0, stepMs: 1000, cols: 20, edgesUs: [1, 10, 100, 1000, 10_000, 100_000],
  cells: [[2, 1, 3, 0], [7, 0, 1, 1], [7, 3, 4, 2]], exemplars: [], groups: [], moreGroups: 0,
  traces: 8, errors: 3, spans: 8, complete: true, meta: { tookMs: 1 },
};

test('arrows_move_a_cell_and_widen_it_with_shift', () => {
  assert.deepEqual(moved(at(3, 2), 'ArrowLeft', false, SIZE), at(2, 2));
  assert.deepEqual(moved(at(3, 2), 'ArrowUp', false, SIZE), at(3, 3));
  assert.deepEqual(moved(at(3, 2), 'ArrowRight', true, SIZE), { from: { x: 3, y: 2 }, to: { x: 4, y: 2 } });
  assert.deepEqual(moved(at(19, 4), 'ArrowRight', false, SIZE), at(19, 4), 'the edge holds');
  assert.deepEqual(moved(at(3, 0), 'ArrowDown', false, SIZE), at(3, 0));
  assert.deepEqual(moved(at(3, 2), 'Home', true, SIZE)?.to, { x: 0, y: 2 });
  assert.equal(moved(at(3, 2), 'x', false, SIZE), null);
  assert.equal(moved(at(3, 0), 'ArrowUp', false, { cols: 20, rows: 1 }), null, 'no rows, no way up');
});

test('keys_begin_at_the_newest_cell_and_a_box_says_what_it_holds', () => {
  assert.deepEqual(firstCell(CHART), { x: 7, y: 3 });
  assert.deepEqual(firstCell({ ...CHART, cells: [] }), { x: 19, y: 0 });
  const box = boxOf({ from: { x: 7, y: 3 }, to: { x: 2, y: 1 } }, 5, true);
  assert.deepEqual(box, { left: 2, right: 7, low: 1, high: 3 });
  assert.match(boxText(CHART, box, true), /:02 – .*:08 · 10 µs – 10 ms · 7 traces · 2 with errors$/);
  const column = boxOf(at(7, 0), 5, false);
  assert.match(boxText(CHART, column, false), /:07 · 5 traces · 3 with errors$/);
});
