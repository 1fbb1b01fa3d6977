//! The marks of the ruler.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepOf, ticksOf, tickText } from '../src/trace/ticks';

test('marks_are_few_and_each_says_another_time', () => {
  for (let size = 2; size < 5e11; size *= 1.7) {
    for (const from of [0, 0.37, 12.3, 61.7, 4000.5].map((part) => part * size)) {
      const scale = { from, to: from + size, width: 900 };
      const texts = ticksOf(scale).map((at) => tickText(at, stepOf(scale)));
      assert.ok(texts.length >= 2 && texts.length <= 12, `${size}: ${texts}`);
      assert.equal(new Set(texts).size, texts.length, `${size}: ${texts}`);
      for (const text of texts) assert.ok(text.length <= 24 && !/NaN|\d{6}/.test(text), text);
    }
  }
});

test('marks_above_a_minute_are_round', () => {
  const texts = (from: number, to: number) => {
    const scale = { from: from * 1e6, to: to * 1e6, width: 600 };
    return ticksOf(scale).map((at) => tickText(at, stepOf(scale)));
  };
  assert.deepEqual(texts(0, 290), ['0 s', '1 min', '2 min', '3 min', '4 min']);
  assert.deepEqual(texts(119, 120.4).slice(0, 3), ['1 min 59.0 s', '1 min 59.5 s', '2 min 0.0 s']);
  assert.deepEqual(texts(3500, 7400), ['1 h', '1 h 15 min', '1 h 30 min', '1 h 45 min', '2 h']);
  assert.deepEqual(texts(0, 4), ['0 s', '1 s', '2 s', '3 s', '4 s']);
});
