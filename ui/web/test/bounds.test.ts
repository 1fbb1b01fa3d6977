//! Room for a drawn graph.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundsOf } from '../src/graph/bounds';

test('lines_beyond_all_services_are_within_the_bounds', () => {
  const boxes = [{ x: 50, y: 40, width: 100, height: 40 }, { x: 250, y: 40, width: 60, height: 40 }];
  const lines = [[{ x: 100, y: 40 }, { x: 150, y: -10 }, { x: 220, y: 40 }], []];
  const { width, height, move } = boundsOf(boxes, lines, 24);
  // From the first service's left side to the second one's right, from the line to the services' ends.
  assert.deepEqual([width, height], [280 + 48, 70 + 48]);
  assert.deepEqual(move, { x: 24, y: 34 });
});

test('nothing_takes_nothing', () => {
  assert.deepEqual(boundsOf([], [], 24), { width: 0, height: 0, move: { x: 0, y: 0 } });
});
