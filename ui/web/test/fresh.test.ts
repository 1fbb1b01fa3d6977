//! Whether spans of an open trace may still come, and when they are asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayGrow, whenSeen } from '../src/trace/fresh';

test('nobody_looks_nothing_is_asked', ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const page = document as unknown as {
    hidden: boolean; addEventListener: unknown; removeEventListener: unknown;
  };
  const listening = new Set<() => void>();
  page.addEventListener = (_: string, run: () => void) => listening.add(run);
  page.removeEventListener = (_: string, run: () => void) => listening.delete(run);
  let asked = 0;
  const ask = () => {
    asked += 1;
  };
  page.hidden = false;
  whenSeen(3000, ask);
  mock.timers.tick(2999);
  assert.equal(asked, 0);
  mock.timers.tick(1);
  assert.deepEqual([asked, listening.size], [1, 0]);
  page.hidden = true;
  const prevent = whenSeen(3000, ask);
  mock.timers.tick(60_000);
  assert.equal(asked, 1, 'the tab is hidden');
  page.hidden = false;
  for (const run of listening) run();
  assert.deepEqual([asked, listening.size], [2, 0], 'it is shown again');
  prevent();
  page.hidden = true;
  const another = whenSeen(3000, ask);
  mock.timers.tick(3000);
  another();
  assert.deepEqual([asked, listening.size], [2, 0], 'the trace was left');
});

test('a_trace_is_looked_after_while_it_changes_wherever_its_end_lies', () => {
  const now = 1_000_000;
  assert.ok(mayGrow(now - 10_000, now - 5000, now));
  assert.ok(!mayGrow(now - 40_000, now - 5000, now), 'it is over');
  assert.ok(mayGrow(now + 3_600_000, now - 5000, now));
  assert.ok(!mayGrow(now + 3_600_000, now - 40_000, now), 'an hour ahead, and nothing came');
});
