//! Two fields for the bounds of a length, and what stands in them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textsAfter } from '../src/search/form';

test('what_is_typed_beside_a_bound_that_changes_stays', () => {
  const [none, least] = [{ min: '', max: '' }, { min: '2s', max: '' }];
  assert.deepEqual(textsAfter({ min: '2s', max: '1s' }, least, none), { min: '', max: '1s' });
  assert.deepEqual(textsAfter({ min: '', max: 'soon' }, none, least), { min: '2s', max: 'soon' });
  assert.deepEqual(textsAfter({ min: '3s', max: '' }, none, none), { min: '3s', max: '' });
});
