//! What a failure says, and where the focus goes when it is tried again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isValidElement, type ComponentChild, type VNode } from 'preact';
import { language, zone } from '../src/core/prefs';
import { Again, Failure } from '../src/parts/notice';

/** All elements of what a component without a state draws. */
function* drawn(node: ComponentChild | ComponentChild[]): Generator<VNode<any> | string> {
  if (Array.isArray(node)) for (const one of node) yield* drawn(one);
  else if (typeof node === 'string') yield node;
  else if (isValidElement(node)) {
    yield node;
    yield* drawn((node.props as { children?: ComponentChild }).children);
  }
}

const textOf = (node: ComponentChild) =>
  [...drawn(node)].filter((one) => typeof one === 'string').join(' ');

test('what_is_of_another_day_has_its_date', () => {
  language.value = 'en';
  zone.value = 'UTC';
  const stillOfMs = Date.UTC(2025, 2, 4, 5, 6, 7);
  const said = textOf(Failure({ error: new Error('x'), stillOfMs }));
  assert.match(said, /still that of 2025-03-04 05:06:07\./);
  zone.value = 'local';
});

test('the_focus_of_what_tries_again_is_not_lost', () => {
  const order: string[] = [];
  const body = {};
  const heading = { hasAttribute: () => true, focus: () => order.push('focused') };
  const main = { querySelector: (name: string) => (name === 'h1' ? heading : null) };
  const before = [globalThis.document, globalThis.requestAnimationFrame] as const;
  Object.assign(globalThis, {
    document: { body, activeElement: body, getElementById: () => main },
    requestAnimationFrame: (run: () => void) => run(),
  });
  const button = Again({ retry: () => order.push('tried') }) as VNode<any>;
  button.props.onClick();
  assert.deepEqual(order, ['tried', 'focused']);
  Object.assign(globalThis, { document: before[0], requestAnimationFrame: before[1] });
});
