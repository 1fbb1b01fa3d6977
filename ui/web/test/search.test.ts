//! The query line, addresses of all makers, and the API's parameters.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationUs, fromAddress, toAddress, toApi, type Criteria } from '../src/search/criteria';
import { lineOf, parseLine, traceIdOf } from '../src/search/line';
import { complete } from '../src/search/complete';
import { crossed, misread } from '../src/search/misread';
import { isLeftOut, isRooted, summarize } from '../src/search/source';
import { chance } from './helpers';

const DEFAULTS = { lookbackMs: 900_000, limit: 10 };
const read = (query: string) => fromAddress(new URLSearchParams(query), DEFAULTS);

function filtersOf(line: string) {
  const { filters, error } = parseLine(line);
  assert.equal(error, null, line);
  return filters!;
}

test('a_line_is_understood', () => {
  const filters = filtersOf('service=Checkout error duration>300ms http.status_code=500 and "a b"="c \\"d\\""');
  assert.equal(filters.service, 'checkout');
  assert.equal(filters.minUs, 300_001);
  assert.deepEqual(filters.terms, [
    { key: 'error', value: null }, { key: 'http.status_code', value: '500' },
    { key: 'a b', value: 'c "d"' },
  ]);
});

test('durations_of_trace_and_span_are_apart', () => {
  const filters = filtersOf('duration>=1ms duration<2s traceDuration<=5s traceDuration>=1us');
  assert.deepEqual(
    [filters.minUs, filters.maxUs, filters.traceMinUs, filters.traceMaxUs],
    [1000, 1_999_999, 1, 5_000_000],
  );
});

test('what_is_not_understood_says_where', () => {
  const at = (line: string) => {
    const { error } = parseLine(line);
    return error && [error.kind, error.at];
  };
  assert.deepEqual(at('service=a "open'), ['quote', 10]);
  assert.deepEqual(at('error duration>fast'), ['duration', 15]);
  assert.deepEqual(at('a or b'), ['or', 2]);
  assert.deepEqual(at('not not a'), ['or', 4]);
  assert.deepEqual(at('a not'), ['empty', 5]);
  assert.deepEqual(at('service!=a'), ['compare', 7]);
  assert.deepEqual(at('not duration=1s'), ['compare', 12]);
  assert.deepEqual(at('k!='), ['empty', 3]);
  assert.deepEqual(at('status>500'), ['compare', 6]);
  assert.deepEqual(at('service='), ['empty', 8]);
  assert.deepEqual(at('service = a'), ['empty', 8]);
  assert.deepEqual(at('service=a service=b'), ['twice', 10]);
  assert.deepEqual(at('call=a->b call=a->c'), ['twice', 10]);
});

test('of_several_durations_the_narrowest_bounds_hold', () => {
  const filters = filtersOf('service=a service=A duration>=1ms duration>=3ms duration<9ms duration<=5ms');
  assert.deepEqual([filters.service, filters.minUs, filters.maxUs], ['a', 3000, 5000]);
});

test('tags_can_be_left_out', () => {
  const filters = filtersOf('service=a k!=v and not error not "b c"=d "not" "service"=x');
  assert.deepEqual(filters.without, [
    { key: 'k', value: 'v' }, { key: 'error', value: null }, { key: 'b c', value: 'd' },
  ]);
  assert.deepEqual(filters.terms, [{ key: 'not', value: null }, { key: 'service', value: 'x' }]);
  assert.equal(lineOf(filters), 'service=a "not" "service"=x k!=v not error "b c"!=d');
});

test('a_plain_zipkin_is_searched_without_what_is_left_out', () => {
  const trace = [
    { traceId: '1', id: '1', tags: { k: 'v' } },
    { traceId: '1', id: '2', annotations: [{ value: 'note' }] },
  ];
  const isOut = (line: string) => isLeftOut(trace, filtersOf(line).without);
  assert.deepEqual(['k!=v', 'not k', 'not note', 'k!=w', 'not toString', 'note!=note'].map(isOut),
    [true, true, true, false, false, false]);
});

test('lines_of_filters_are_read_back_the_same', () => {
  const random = chance(5);
  const letters = 'ab =<>"\\\'é你.-!';
  const word = () => Array.from({ length: 1 + Math.floor(random() * 6) }, () =>
    [...letters][Math.floor(random() * [...letters].length)]).join('');
  const words = ['and', 'or', 'NOT', 'duration', 'call', 'service', 'op'];
  // Keys that the API would cut are refused, see below.
  const key = (first: string) => first + word().replaceAll('=', '-');
  const own = () => (random() < 0.5 ? key('x') : words[Math.floor(random() * words.length)]);
  for (let k = 0; k < 400; k += 1) {
    const filters = {
      ...filtersOf(''), service: word().toLowerCase(), operation: word().toLowerCase(),
      terms: [{ key: key('k'), value: word() }, { key: own(), value: null }],
      without: [{ key: own(), value: word() }, { key: key('x'), value: null }],
      minUs: 1 + Math.floor(random() * 1e7), traceMaxUs: 5,
    };
    assert.deepEqual(filtersOf(lineOf(filters)), filters, lineOf(filters));
  }
});

test('trace_ids_are_seen_in_what_people_paste', () => {
  assert.equal(traceIdOf(' 5AF7183FB1D4CF5F '), '5af7183fb1d4cf5f');
  assert.equal(traceIdOf('https://zipkin/zipkin/traces/463ac35c9f6413ad48485a3953bb6124?x=1'),
    '463ac35c9f6413ad48485a3953bb6124');
  assert.equal(traceIdOf('service=a'), null);
  assert.equal(traceIdOf('5af7183fb1d4cf5'), null);
});

test('trace_ids_are_seen_in_headers_and_uuids', () => {
  const id = '0af7651916cd43dd8448eb211c80319c';
  for (const text of [
    `00-${id}-b7ad6b7169203331-01`, `traceparent: 00-${id}-b7ad6b7169203331-00`,
    `${id}-b7ad6b7169203331-1`, `b3: ${id}-b7ad6b7169203331-1-05e3ac9a4f6e3b90`,
    `${id}-b7ad6b7169203331`, `X-B3-TraceId: ${id.toUpperCase()}`,
    '0AF76519-16cd-43dd-8448-eb211c80319c',
  ]) assert.equal(traceIdOf(text), id, text);
  for (const text of [`00-${id}`, `${id}-b7`, 'traceparent', '0af76519-16cd-43dd-8448-eb211c80319']) {
    assert.equal(traceIdOf(text), null, text);
  }
});

test('bounds_are_written_as_they_were_typed', () => {
  for (const line of ['duration>300ms', 'duration>=300ms', 'duration<2s', 'traceDuration<=5us',
    'duration>=1us', 'traceDuration>1ms']) {
    assert.equal(lineOf(filtersOf(line)), line);
  }
  assert.equal(lineOf(filtersOf('duration>1h2m')), 'duration>3720s');
  const { error } = parseLine('duration>2s duration<1s');
  assert.deepEqual([error?.kind, error?.at], ['crossed', 12]);
});

test('what_a_trace_begins_with_is_asked_for', () => {
  for (const line of ['rootService=shop rootOperation="get /"', 'rootService="" rootOperation=""']) {
    const filters = filtersOf(line);
    assert.equal(lineOf(filters), line);
    const all = { ...read('lookback=1h'), ...filters };
    assert.deepEqual(read(toAddress(all).toString()), all);
    assert.equal(toApi(all, 0).get('rootServiceName'), filters.rootService);
  }
  assert.equal(parseLine('rootService=').error?.kind, 'empty');
  assert.equal(parseLine('rootService=a rootService=b').error?.kind, 'twice');
  assert.deepEqual(filtersOf('"rootservice"=a').terms, [{ key: 'rootservice', value: 'a' }]);
  const summary = summarize([{ traceId: '1', id: '1', localEndpoint: { serviceName: 'shop' } }]);
  assert.ok(isRooted(summary, { ...read(''), rootService: 'shop', rootOperation: '' }));
  assert.ok(!isRooted(summary, { ...read(''), rootService: 'shop', rootOperation: 'x' }));
});

test('of_several_roots_the_earliest_names_a_trace', () => {
  const { root } = summarize([
    { traceId: '1', id: '1', name: 'late', timestamp: 20 },
    { traceId: '1', id: '2', name: 'early', timestamp: 10 },
    { traceId: '1', id: '3', parentId: '2', name: 'below', timestamp: 5 },
  ]);
  assert.equal(root.name, 'early');
});

test('what_is_not_understood_in_an_address_is_named', () => {
  const unread = (query: string) => misread(new URLSearchParams(query));
  assert.deepEqual(unread('minDuration=fast&maxDuration=&lookback=abc&limit=-1&endTs=x&startTs=5'),
    ['minDuration=fast', 'lookback=abc', 'endTs=x', 'limit=-1']);
  assert.deepEqual(unread('minDuration=1h2m&lookback=range&startTs=3&endTs=5&limit=10'), []);
  assert.equal(read('minDuration=1h2m').minUs, 3_720_000_000);
  assert.deepEqual(crossed(new URLSearchParams('minDuration=2s&maxDuration=1s')),
    ['minDuration=2s > maxDuration=1s']);
  assert.deepEqual(crossed(new URLSearchParams('minDuration=2s&maxDuration=3s')), []);
});

test('completions_are_put_in_quotes_where_they_must_be', async () => {
  const names: Record<string, string[]> = { keys: ['a key', 'say"so'], values: ['x y', 'say "hi"'] };
  globalThis.fetch = (async (url: string) => {
    const of = new URL(url, 'http://x').searchParams.get('of') ?? '';
    return new Response(JSON.stringify({ names: names[of].map((name) => [name, 1]) }));
  }) as typeof fetch;
  const picked = async (line: string, name: string) => {
    const found = await complete(line, line.length, new AbortController().signal);
    assert.ok(found.names.some(([one]) => one === name), `${name} of ${found.names}`);
    return found.apply(name).line;
  };
  for (const typed of ['a', '"a k', 'service=b "a']) {
    const line = await picked(typed, '"a key"=');
    assert.equal(line, `${typed.startsWith('service') ? 'service=b ' : ''}"a key"=`);
  }
  assert.equal(await picked('', '"say\\"so"='), '"say\\"so"=');
  for (const typed of ['"a key"=', '"a key"="x', 'k="say \\"']) {
    const line = await picked(typed, 'say "hi"');
    assert.deepEqual(filtersOf(line).terms, [{ key: typed[0] === 'k' ? 'k' : 'a key', value: 'say "hi"' }]);
  }
});

test('addresses_of_lens_are_read', () => {
  const criteria = read('serviceName=S&spanName=get&remoteServiceName=r&annotationQuery=error+and+' +
    'http.method%3DGET&minDuration=10ms&maxDuration=1s&lookback=15m&endTs=1700000000000&limit=10');
  assert.deepEqual(
    [criteria.service, criteria.operation, criteria.remote, criteria.minUs, criteria.maxUs],
    ['s', 'get', 'r', 10_000, 1_000_000],
  );
  assert.deepEqual(criteria.terms, [{ key: 'error', value: null }, { key: 'http.method', value: 'GET' }]);
  assert.deepEqual(criteria.time, { kind: 'back', ms: 900_000, endMs: null });
  assert.deepEqual(read('lookback=range&startTs=5&endTs=9').time, { kind: 'range', startMs: 5, endMs: 9 });
  assert.deepEqual(read('lookback=millis&millis=777').time, { kind: 'back', ms: 777, endMs: null });
  assert.deepEqual(read('serviceName=x').time, { kind: 'back', ms: 900_000, endMs: null });
});

test('addresses_of_the_classic_page_are_read', () => {
  const criteria = read('serviceName=s&spanName=all&remoteServiceName=all&lookback=3600000&startTs=' +
    '&endTs=1700000000000&annotationQuery=&minDuration=250&limit=&sortOrder=duration-desc');
  assert.deepEqual([criteria.service, criteria.operation, criteria.remote], ['s', '', '']);
  assert.deepEqual(criteria.time, { kind: 'back', ms: 3_600_000, endMs: 1_700_000_000_000 });
  assert.deepEqual([criteria.minUs, criteria.limit, criteria.sort], [250, 10, 'duration']);
});

test('an_address_is_read_back_the_same', () => {
  const criteria: Criteria = {
    ...read(''), service: 's', operation: 'get /a b', terms: [
      { key: 'q', value: 'x and y' }, { key: 'error', value: null },
    ], without: [{ key: 'a', value: 'b=c and d' }, { key: 'e', value: null }], minUs: 1500, traceMaxUs: 2_000_000, parent: 'a', child: 'b', edgeErrors: true,
    time: { kind: 'range', startMs: 10, endMs: 20 }, limit: 50, sort: 'spans', group: true,
  };
  const back = fromAddress(toAddress(criteria), DEFAULTS);
  assert.deepEqual({ ...back, terms: back.terms.toReversed() }, criteria);
});

test('the_api_is_asked_in_microseconds_and_never_for_a_maximum_alone', () => {
  const params = toApi({ ...read('maxDuration=2ms&lookback=1h') }, 1_700_000_000_000);
  assert.deepEqual(
    [params.get('minDuration'), params.get('maxDuration'), params.get('lookback'), params.get('endTs')],
    ['1', '2000', '3600000', '1700000000000'],
  );
});

test('durations_have_units', () => {
  assert.deepEqual(['1.5s', '10ms', '7', '3us', '2 m', 'x', ''].map(durationUs),
    [1_500_000, 10_000, 7, 3, 120_000_000, null, null]);
});

test('an_empty_value_that_is_left_out_and_a_padded_one_are_kept', () => {
  for (const line of ['empty!=""', 'k=" v "', '" k"=v', 'k!=" v"', 'rootService=""']) {
    const { filters, error } = parseLine(line);
    assert.equal(error, null, line);
    const back = fromAddress(toAddress({ ...read(''), ...filters }), DEFAULTS);
    assert.equal(lineOf(back), line);
  }
  assert.equal(toApi({ ...read(''), ...parseLine('k=" v "').filters }, 1).get('tag'), 'k= v ');
  for (const line of ['k=', 'k!=', 'service=""', 'call=""']) {
    assert.equal(parseLine(line).error?.kind, 'empty', line);
  }
});

test('a_key_that_the_api_would_cut_is_pointed_at', () => {
  for (const line of ['"a=b"=c', 'x not "a=b"=c', '"a=b"', '"a=b"!=c', '"=a"=b']) {
    const { error } = parseLine(line);
    assert.equal(error?.kind, 'key', line);
    assert.equal(error?.at, line.indexOf('"'));
  }
  assert.equal(parseLine('a=b=c').error, null);
});
