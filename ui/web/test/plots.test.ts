//! Places in charts: what lies under a pointer is what is drawn there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellAt } from '../src/search/plots';
import type { Overview } from '../src/search/source';

const CHART: Overview = {
  startMs: 0, stepMs: 1000, cols: 10, edgesUs: [1, 10, 100, 1000, 10_000], cells: [], exemplars: [],
  groups: [], moreGroups: 0, traces: 10_000, errors: 0, spans: 1, complete: true,
  meta: { tookMs: 1 },
};

test('a_point_of_a_chart_is_the_cell_that_is_drawn_there', () => {
  // Of 176 by 96 pixels, 76 on the left and 16 below are for words: cells are 10 by 20.
  const size = { width: 176, height: 96 };
  const cell = (x: number, y: number) => Object.values(cellAt({ x, y }, size, CHART));
  for (let row = 0; row < 4; row += 1) {
    for (const y of [80 - row * 20 - 1, 80 - row * 20 - 19]) {
      assert.deepEqual(cell(76 + 35, y), [3, row], `${y} px`);
    }
  }
  assert.deepEqual(cell(0, 95), [0, 0], 'beside it, the nearest');
  assert.deepEqual(cell(176, 0), [9, 3]);
});
