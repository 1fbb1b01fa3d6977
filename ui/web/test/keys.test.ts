//! The keyboard: what a key does, and which ones can be turned off.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addShortcuts, startKeys } from '../src/core/keys';
import { letters } from '../src/core/prefs';

test('single_letters_rest_when_they_are_turned_off_capitals_too', () => {
  let listen: (event: object) => void = () => undefined;
  document.addEventListener = ((_: string, run: typeof listen) => {
    listen = run;
  }) as typeof document.addEventListener;
  startKeys();
  const done: string[] = [];
  const keys = ['n', 'shift+n', '.', 'Escape', 'mod+k', 'g x'];
  addShortcuts({
    title: 'keys.global',
    list: keys.map((key) => ({ key, text: 'copy', run: () => done.push(key) })),
  });
  const press = (key: string, more: object = {}) =>
    listen({ key, target: null, preventDefault: () => undefined, ...more });
  const all = () => {
    done.length = 0;
    press('n');
    press('N', { shiftKey: true });
    press('.');
    press('g');
    press('x');
    press('Escape');
    press('k', { ctrlKey: true });
    return done;
  };
  assert.deepEqual(all(), ['n', 'shift+n', '.', 'g x', 'Escape', 'mod+k']);
  letters.value = 'off';
  assert.deepEqual(all(), ['Escape', 'mod+k']);
  letters.value = 'on';
});
