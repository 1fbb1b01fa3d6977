//! Both languages say the same things, and colours can be seen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CANVAS, DARK, LIGHT, slotsOf } from '../src/core/colors';
import { fill } from '../src/core/i18n';
import { en } from '../src/i18n/en';
import { zh } from '../src/i18n/zh';

const places = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

test('both_catalogues_have_the_same_keys_and_places', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en) as (keyof typeof en)[]) {
    for (const form of en[key].split('||')) {
      assert.deepEqual(places(zh[key]), places(form), key);
    }
    assert.ok(zh[key].trim() !== '' && !zh[key].includes('||'), key);
  }
});

test('chinese_is_chinese', () => {
  const same = (Object.keys(en) as (keyof typeof en)[]).filter((key) => en[key] === zh[key]);
  // Words and signs that are the same in both.
  const allowed = ['title.traceOf', 'word.span', 'form.tagExample', 'tab.json', 'find.count',
    'trace.runLabel'];
  assert.deepEqual(same.filter((key) => !allowed.includes(key)), []);
});

test('plural_forms_follow_the_count', () => {
  assert.equal(fill(en['results.count'], { n: 1, count: '1' }, 'en'), '1 trace');
  assert.equal(fill(en['results.count'], { n: 2000, count: '2,000' }, 'en'), '2,000 traces');
  assert.equal(fill('{a} {b}', { a: '{b}', b: 1 }, 'en'), '{b} 1');
});

function luminance(color: string): number {
  const channel = (at: number) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

test('service_colours_stand_out_three_to_one', () => {
  for (const color of LIGHT) assert.ok(contrast(color, CANVAS.light.ground) >= 3, color);
  for (const color of DARK) assert.ok(contrast(color, CANVAS.dark.ground) >= 3, color);
});

test('text_on_canvases_can_be_read', () => {
  for (const colors of [CANVAS.light, CANVAS.dark]) {
    assert.ok(contrast(colors.text, colors.ground) >= 4.5);
    for (const color of colors === CANVAS.light ? LIGHT : DARK) {
      assert.ok(contrast(colors.tick, color) >= 4.5, `${color} ${contrast(colors.tick, color)}`);
    }
  }
});

test('services_of_a_trace_have_colours_of_their_own_while_there_are_enough', () => {
  const names = Array.from({ length: LIGHT.length }, (_, k) => `service-${k}`);
  assert.equal(new Set(slotsOf(names)).size, LIGHT.length);
  assert.equal(slotsOf([...names, 'one more']).length, LIGHT.length + 1);
});
