//! Files of other makers: values that are no text become text, and nothing of them breaks a view.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../src/trace/build';
import { find } from '../src/trace/find';
import { parentIdText } from '../src/trace/model';
import { read } from '../src/trace/read';
import { span } from './helpers';

const one = (more: object) => read(JSON.stringify({ traceId: '1', id: '2', ...more }))[0];

test('values_that_are_no_text_become_text', () => {
  const { tags, annotations } = one({
    timestamp: 5, tags: { code: 200, ok: true, none: null, list: [1], deep: { a: 'b' }, text: 'x' },
    annotations: [{ timestamp: 7 }, { timestamp: '8', value: 9 }, { value: 'late' }, null, 'odd'],
  });
  assert.deepEqual(tags, {
    code: '200', ok: 'true', none: 'null', list: '[1]', deep: '{"a":"b"}', text: 'x',
  });
  assert.deepEqual(annotations, [
    { timestamp: 7, value: '' }, { timestamp: 8, value: '9' }, { timestamp: 5, value: 'late' },
  ]);
});

test('what_has_another_shape_is_left_out', () => {
  const odd = one({
    parentId: 3, name: ['a'], kind: null, timestamp: 'soon', duration: '70', tags: 'none',
    annotations: {}, localEndpoint: { serviceName: 5 }, remoteEndpoint: 'db',
  });
  assert.deepEqual(JSON.parse(JSON.stringify(odd)), {
    traceId: '1', id: '2', parentId: '3', name: '["a"]', duration: 70, annotations: [],
    localEndpoint: { serviceName: '5' },
  });
  const { columns, spans } = build([odd]);
  assert.ok(Number.isFinite(columns.total));
  assert.equal(find(columns, spans, 'anything').length, columns.count);
});

test('files_of_version_one_are_no_less_careful', () => {
  const v1 = one({
    annotations: [
      { value: 'constructor', timestamp: 4, endpoint: { serviceName: 'a' } },
      { value: 'sr', endpoint: { serviceName: 'a' } }, { value: 'ss', timestamp: 9 },
    ],
    binaryAnnotations: [{ key: 'code', value: 500 }, { key: 'deep', value: { a: 1 } }, null],
  });
  assert.deepEqual(v1.tags, { code: '500', deep: '{"a":1}' });
  assert.deepEqual(v1.annotations, [{ timestamp: 4, value: 'constructor' }]);
  assert.deepEqual([v1.kind, v1.timestamp], ['SERVER', undefined]);
  assert.equal(v1.localEndpoint?.serviceName, 'a');
});

test('a_span_of_the_server_is_as_it_was_sent', () => {
  const sent = span('2', '1', { tags: { a: 'b' }, annotations: [{ timestamp: 1, value: 'x' }] });
  assert.deepEqual(read(JSON.stringify([sent])), [sent]);
});

test('the_parent_of_a_servers_half_is_that_of_the_span', () => {
  const { columns, spans } = build([
    span('1', undefined, { kind: 'CLIENT', service: 'front' }),
    span('2', '1', { kind: 'CLIENT', service: 'front' }),
    span('2', '1', { kind: 'SERVER', service: 'back', shared: true }),
  ]);
  const shown = [0, 1, 2].map((i) => parentIdText(columns, i, spans[columns.source[i]]));
  assert.deepEqual(shown, ['', '0000000000000001', '0000000000000001']);
  // Until the span is there, the row above tells, but not the other half.
  const early = [0, 1, 2].map((i) => parentIdText(columns, i, null));
  assert.deepEqual(early, ['', '0000000000000001', '']);
});
