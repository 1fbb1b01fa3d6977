//! Conditions on tags: one for each key, none on an empty value; how they are refused and replaced.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromAddress, toApi } from '../src/search/criteria';
import { lineOf, parseFind, parseLine, refusal, withTerm } from '../src/search/line';
import { complete } from '../src/search/complete';
import { misread } from '../src/search/misread';

const read = (query: string) =>
  fromAddress(new URLSearchParams(query), { lookbackMs: 900_000, limit: 10 });
const wrong = (line: string) => {
  const { error } = parseLine(line);
  return error && [error.kind, error.at, error.text];
};

test('a_second_condition_on_a_tag_is_refused', () => {
  assert.deepEqual(wrong('k=a k=b'), ['again', 4, 'k']);
  assert.deepEqual(wrong('k=a x "k"=b'), ['again', 6, 'k']);
  assert.deepEqual(wrong('k k=a k=b'), ['again', 6, 'k']);
  // What is not there can be of one key, too; so can one that differs in case.
  for (const line of ['k=a k!=b not k', 'k=a K=b']) assert.equal(wrong(line), null, line);
  assert.deepEqual(parseLine('k=a k=a x x').filters?.terms,
    [{ key: 'k', value: 'a' }, { key: 'x', value: null }], 'the same twice is there once');
});

test('a_value_takes_the_place_of_its_bare_key', () => {
  for (const line of ['x k k=a y', 'x k=a k y', 'x k k=a k y']) {
    assert.equal(lineOf(parseLine(line).filters!), 'x k=a y', line);
  }
  assert.deepEqual(parseFind('error error=timeout').filters?.terms,
    [{ key: 'error', value: 'timeout' }]);
  const bare = [{ key: 'k', value: null }, { key: 'x', value: 'a' }];
  assert.equal(refusal(bare, { key: 'k', value: 'a' }), null);
  assert.deepEqual(withTerm(bare, { key: 'k', value: 'a' }),
    [{ key: 'k', value: 'a' }, { key: 'x', value: 'a' }]);
  assert.equal(withTerm(bare, { key: 'x', value: null }), bare, 'the value says more');
  assert.equal(refusal(bare, { key: 'x', value: 'b' }), 'again');
});

test('an_empty_value_is_refused', () => {
  assert.deepEqual(wrong('x k=""'), ['none', 2, 'k']);
  assert.equal(refusal([], { key: 'k', value: '' }), 'none');
  assert.equal(refusal([], { key: 'k', value: null }), null);
  assert.equal(refusal([{ key: 'k', value: 'a' }], { key: 'k', value: 'b' }), 'again');
  assert.equal(refusal([{ key: 'k', value: 'a' }], { key: 'k', value: 'a' }), null);
  assert.equal(wrong('k!=""'), null, 'that can be left out');
});

test('in_an_open_trace_all_of_it_can_be_found', () => {
  assert.deepEqual(parseFind('k="" k=a').filters?.terms,
    [{ key: 'k', value: '' }, { key: 'k', value: 'a' }]);
});

test('names_that_objects_have_are_keys_like_others', async () => {
  for (const key of ['constructor', 'toString', 'valueOf', '__proto__', 'hasOwnProperty']) {
    assert.deepEqual(parseLine(`${key}=x`).filters?.terms, [{ key, value: 'x' }], key);
    assert.equal(lineOf(parseLine(`${key}=x`).filters!), `${key}=x`);
    globalThis.fetch = (async (url: string) => {
      const { searchParams } = new URL(url, 'http://x');
      assert.deepEqual([searchParams.get('of'), searchParams.get('key')], ['values', key]);
      return new Response('{"names":[["",4],["y",1]]}');
    }) as typeof fetch;
    const line = `${key}=`;
    const found = await complete(line, line.length, new AbortController().signal);
    assert.deepEqual(found.names, [['y', 1]], 'what can not be searched for is not offered');
  }
});

test('values_of_no_key_are_not_asked_for', async () => {
  globalThis.fetch = (async () => assert.fail('nothing is to be asked')) as typeof fetch;
  for (const line of ['""=', 'x ""=""', '""="a']) {
    const found = await complete(line, line.length, new AbortController().signal);
    assert.deepEqual(found.names, [], line);
  }
});

test('of_an_address_what_the_server_searches_for_is_shown', () => {
  const query = 'annotationQuery=a%3D1+and+b%3D+and+a%3D2+and+a&tag=c%3D1&tag=c%3Dx+and+y';
  const criteria = read(query);
  assert.equal(lineOf(criteria), 'a=2 b c="x and y"');
  assert.deepEqual(misread(new URLSearchParams(query)), ['a=1', 'c=1']);
  assert.deepEqual(misread(new URLSearchParams('annotationQuery=a%3D1+and+a&tag=a%3D1')), []);
  const api = toApi(criteria, 1);
  assert.deepEqual([api.get('annotationQuery'), api.getAll('tag')], ['a=2 and b', ['c=x and y']]);
});
