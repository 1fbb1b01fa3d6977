//! Times that stand alone or side by side, and when they need their date.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moment } from '../src/core/format';
import { zone } from '../src/core/prefs';

test('what_is_not_of_today_has_a_date', () => {
  zone.value = 'UTC';
  const now = Date.parse('2026-11-30T12:00:00Z');
  const at = (text: string, ...beside: string[]) => moment(Date.parse(`${text}Z`),
    [text, ...beside].map((one) => Date.parse(`${one}Z`)), now);
  assert.equal(at('2026-11-30T09:10:11'), '09:10:11');
  assert.equal(at('2026-11-29T09:10:11'), '11-29 09:10:11');
  assert.equal(at('2026-11-30T09:10:11', '2026-11-29T23:00:00'), '11-30 09:10:11');
  assert.equal(at('2025-11-30T09:10:11'), '2025-11-30 09:10:11');
  assert.equal(at('2026-01-01T00:00:00', '2025-12-31T00:00:00'), '2026-01-01 00:00:00');
});
