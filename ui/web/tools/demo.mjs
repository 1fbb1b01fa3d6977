// Spans of a small shop, for screenshots and flows: the same seed gives the same traces, laid over
// the time before `endMs`. `node tools/demo.mjs http://127.0.0.1:9411` sends them.

import { fileURLToPath } from 'node:url';

/** A repeatable source of chance (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

const hex = (random, digits) =>
  Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');

/** What a call does: own work before, between and after the calls that it makes. */
const SHOP = {
  'storefront get /': ['catalog get /products', 'recommendation get /for/{user}'],
  'storefront get /product/{id}': ['catalog get /products/{id}', 'inventory get /stock/{sku}'],
  'storefront post /cart': ['cart post /items', 'inventory get /stock/{sku}'],
  'storefront post /checkout': [
    'cart get /items', 'pricing post /quote', 'payment post /charge', 'order post /orders',
  ],
  'catalog get /products': ['=mysql select products', '=redis get'],
  'catalog get /products/{id}': ['=redis get', '=mysql select product'],
  'recommendation get /for/{user}': ['=redis mget', 'catalog get /products'],
  'inventory get /stock/{sku}': ['=postgres select stock'],
  'cart post /items': ['=redis get', '=redis set'],
  'cart get /items': ['=redis get', '=redis get', '=redis get', '=redis get', '=redis get', '=redis get'],
  'pricing post /quote': ['tax get /rates', '=redis get'],
  'tax get /rates': [],
  'payment post /charge': ['fraud post /score', '=bank post /authorise'],
  'fraud post /score': ['=postgres select profile'],
  'order post /orders': ['=postgres insert order', '>shipping orders', '>email orders'],
  'shipping orders': ['=postgres insert parcel'],
  'email orders': ['=smtp send'],
};
const ROOTS = Object.keys(SHOP).filter((key) => key.startsWith('storefront'));

class Maker {
  constructor(random) {
    this.random = random;
    this.spans = [];
  }

  /** Returns microseconds around a mean, with a long tail. */
  length(mean) {
    return Math.max(20, Math.round(mean * (0.5 + this.random() + (this.random() < 0.04 ? 8 * this.random() : 0))));
  }

  add(span) {
    this.spans.push(span);
    return span;
  }

  /** Makes a service's work; returns when it ends. */
  serve(call, at, parentId, traceId) {
    const [service, ...rest] = call.split(' ');
    const name = rest.join(' ');
    const method = rest[0].toUpperCase();
    const id = hex(this.random, 16);
    let now = at + this.length(300);
    let failed = call === 'fraud post /score' ? this.random() < 0.02 : this.random() < 0.004;
    for (const next of SHOP[call] ?? []) {
      const [end, bad] = this.call(next, now, { service, id, traceId });
      now = end + this.length(120);
      failed ||= bad && this.random() < 0.8;
    }
    now += this.length(call === 'pricing post /quote' ? 9000 : 700);
    const consumer = name === 'orders';
    this.add({
      traceId, id, ...(parentId ? { parentId } : {}), kind: consumer ? 'CONSUMER' : 'SERVER', name,
      timestamp: at, duration: now - at,
      localEndpoint: { serviceName: service, ipv4: `10.2.${service.length}.${4 + Math.floor(this.random() * 3)}`, port: 8080 },
      ...(consumer ? { remoteEndpoint: { serviceName: 'kafka' } } : {}),
      annotations: this.random() < 0.2 ? [{ timestamp: at + this.length(200), value: 'cache miss' }] : undefined,
      tags: {
        ...(consumer ? { 'messaging.destination': 'orders' } : {
          'http.method': method, 'http.path': rest[1], 'http.status_code': failed ? '500' : '200',
        }),
        'service.version': this.random() < 0.3 ? '2.4.1' : '2.4.0',
        region: ['eu-west-1', 'eu-central-1', 'us-east-1'][Math.floor(this.random() * 3)],
        ...(failed ? { error: 'upstream request failed' } : {}),
      },
    });
    return [now, failed];
  }

  /** Makes the client's side of a call, and what it calls. */
  call(next, at, from) {
    const id = hex(this.random, 16);
    const base = { traceId: from.traceId, id, parentId: from.id, timestamp: at };
    const local = { serviceName: from.service, ipv4: `10.2.${from.service.length}.4` };
    if (next[0] === '=') {
      const [remote, ...rest] = next.slice(1).split(' ');
      const mean = { redis: 350, mysql: 2600, postgres: 3800, bank: 62000, smtp: 21000 }[remote];
      const duration = this.length(mean);
      const bad = remote === 'bank' && this.random() < 0.05;
      this.add({
        ...base, kind: 'CLIENT', name: rest.join(' '), duration, localEndpoint: local,
        remoteEndpoint: { serviceName: remote, port: 5432 },
        tags: {
          'peer.service': remote,
          ...(/mysql|postgres/.test(remote) ? { 'db.statement': `${rest.join(' ')} where id = ?` } : {}),
          ...(bad ? { error: 'timeout after 60 s: bank did not answer' } : {}),
        },
      });
      return [at + duration, bad];
    }
    if (next[0] === '>') {
      const call = next.slice(1);
      const duration = this.length(500);
      this.add({
        ...base, kind: 'PRODUCER', name: 'orders', duration, localEndpoint: local,
        remoteEndpoint: { serviceName: 'kafka' }, tags: { 'messaging.destination': 'orders' },
      });
      this.serve(call, at + this.length(7000), id, from.traceId);
      return [at + duration, false];
    }
    const wire = this.length(400);
    const [end, bad] = this.serve(next, at + wire, id, from.traceId);
    const [service, ...rest] = next.split(' ');
    this.add({
      ...base, kind: 'CLIENT', name: rest.join(' '), duration: end - at + wire,
      localEndpoint: local, remoteEndpoint: { serviceName: service, port: 8080 },
      tags: { 'http.method': rest[0].toUpperCase(), ...(bad ? { error: '500' } : {}) },
    });
    return [end + wire, bad];
  }
}

/** Returns `count` traces of the time before `endMs`, oldest first. */
export function shopTraces({ count = 300, endMs, spreadMs = 3_000_000, seed = 7 }) {
  const random = chance(seed);
  const traces = [];
  for (let k = 0; k < count; k += 1) {
    const maker = new Maker(random);
    const share = (k + random()) / count;
    const at = Math.round((endMs - spreadMs * (1 - share)) * 1000);
    const pick = random();
    const root = ROOTS[pick < 0.35 ? 0 : pick < 0.65 ? 1 : pick < 0.85 ? 2 : 3];
    maker.serve(root, at, null, hex(random, 32));
    traces.push(maker.spans);
  }
  return traces;
}

/** Returns one trace of `count` spans: 25 services, at most 15 deep, 4 tags a span. */
export function bigTrace({ count, endMs, seed = 11 }) {
  const random = chance(seed);
  const traceId = hex(random, 32);
  const start = endMs * 1000 - 4_000_000;
  const spans = [];
  const open = [];
  for (let k = 0; k < count; k += 1) {
    while (open.length > 1 && (open.length >= 15 || random() < 0.45)) open.pop();
    const parent = open.at(-1);
    const service = parent && random() < 0.5 ? parent.service : Math.floor(random() * 25);
    const at = parent ? parent.next : 0;
    const room = parent ? parent.end - at : 3_900_000;
    const length = k === 0 ? room : Math.max(1, Math.min(room, Math.round(room * random() * 0.2)));
    const span = { id: hex(random, 16), service, next: at + Math.min(length - 1, 3), end: at + length };
    if (parent) parent.next = Math.min(parent.end - 1, at + Math.max(1, Math.round(length * 0.6)));
    spans.push({
      traceId, id: span.id, ...(parent ? { parentId: parent.id } : {}),
      kind: k % 2 === 0 ? 'SERVER' : 'CLIENT', name: `get /resource/${Math.floor(random() * 120)}`,
      timestamp: start + at, duration: length,
      localEndpoint: { serviceName: `service-${String(service).padStart(2, '0')}`, ipv4: '10.1.2.3', port: 8080 },
      tags: {
        'http.method': 'GET', 'http.path': `/resource/${k}`, 'http.status_code': '200',
        ...(random() < 0.002 ? { error: 'timeout' } : { region: 'eu-west-1' }),
      },
    });
    open.push(span);
  }
  return spans;
}

/** Sends traces to a server, some at a time. */
export async function send(backend, traces) {
  const big = traces.filter((trace) => trace.length > 2000);
  for (const trace of big) {
    for (let from = 0; from < trace.length; from += 2000) {
      await send(backend, [trace.slice(from, from + 2000)]);
    }
  }
  if (big.length > 0) return send(backend, traces.filter((trace) => trace.length <= 2000));
  for (let from = 0; from < traces.length; from += 50) {
    const answer = await fetch(new URL('/api/v2/spans', backend), {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(traces.slice(from, from + 50).flat()),
    });
    if (!answer.ok) throw new Error(`sent spans, answer ${answer.status} ${await answer.text()}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? 'http://127.0.0.1:9411';
  const traces = shopTraces({ endMs: Date.now() });
  await send(backend, traces);
  console.log(`${traces.length} traces, ${traces.flat().length} spans to ${backend}`);
}
