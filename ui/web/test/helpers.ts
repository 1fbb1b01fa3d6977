//! Spans for tests, short to write.

import type { Span } from '../src/trace/model';

let next = 1;

/** Returns a span of service `a`, with what a test wants otherwise. */
export function span(id: string, parentId: string | undefined, over: Partial<Span> & {
  service?: string;
} = {}): Span {
  const { service = 'a', ...rest } = over;
  next += 1;
  return {
    traceId: '1', id: id.padStart(16, '0'), parentId: parentId?.padStart(16, '0'), name: 'n',
    timestamp: 1000, duration: 100, localEndpoint: { serviceName: service }, ...rest,
  };
}

/** A repeatable source of chance. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

/** A random tree of spans, each within its parent. */
export function randomTrace(seed: number, count: number): Span[] {
  const random = chance(seed);
  const spans = [span('1', undefined, { timestamp: 1_000_000, duration: 10_000 })];
  for (let k = 2; k <= count; k += 1) {
    const parent = spans[Math.floor(random() * spans.length)];
    const room = parent.duration ?? 1;
    const from = Math.floor(random() * room);
    spans.push(span(k.toString(16), parent.id, {
      timestamp: (parent.timestamp ?? 0) + from,
      duration: Math.max(1, Math.floor(random() * (room - from))),
      service: 'abcde'[Math.floor(random() * 5)], name: `n${Math.floor(random() * 3)}`,
    }));
  }
  return spans;
}
