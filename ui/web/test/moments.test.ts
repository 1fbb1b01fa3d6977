//! Two moments in fields: the same in every zone, and whole where nobody edits them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zone } from '../src/core/prefs';
import { momentOf, momentText } from '../src/parts/moments';
import { crossed, misread } from '../src/search/misread';

test('a_moment_stays_when_the_zone_changes', () => {
  zone.value = 'Asia/Shanghai';
  const typed = momentOf('2026-11-02T20:00');
  assert.equal(typed.ms, Date.UTC(2026, 10, 2, 12));
  assert.equal(momentText(typed), '2026-11-02T20:00', 'letter for letter, as browsers want it');
  const given = { ms: Date.UTC(2026, 10, 2, 12, 0, 0, 456), typed: null };
  assert.equal(momentText(given), '2026-11-02T20:00:00');
  zone.value = 'UTC';
  assert.equal(momentText(typed), '2026-11-02T12:00:00');
  assert.equal(momentText(given), '2026-11-02T12:00:00');
  assert.equal(given.ms % 1000, 456);
  assert.equal(momentText(momentOf('')), '');
  zone.value = 'Asia/Shanghai';
  assert.equal(momentText({ ...momentOf(''), typed: { text: '', zone: 'UTC' } }), '');
  zone.value = 'local';
});

test('a_range_that_is_none_is_said', () => {
  const of = (text: string) => {
    const params = new URLSearchParams(text);
    return [...misread(params), ...crossed(params)];
  };
  assert.deepEqual(of('lookback=range&startTs=9&endTs=5'), ['startTs=9 > endTs=5']);
  assert.deepEqual(of('startTime=9&endTime=5'), ['startTime=9 > endTime=5']);
  assert.deepEqual(of('lookback=range&endTs=5'), ['lookback=range']);
  assert.deepEqual(of('lookback=custom'), ['lookback=custom']);
  assert.deepEqual(of('lookback=millis'), ['lookback=millis']);
  assert.deepEqual(of('lookback=range&startTs=5&endTs=9'), []);
  assert.deepEqual(of('lookback=15m&startTs=9&endTs=5'), []);
});
