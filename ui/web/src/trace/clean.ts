//! Joins what was reported more than once: retries send a span twice, and some tracers report one
//! in parts. Client and server halves under one id stay apart; they are two spans to look at.

import type { Annotation, Span } from './model';

/** Returns each span once, in order of first appearance, and how many were joined to others. */
export function clean(spans: Span[]): { spans: Span[]; merged: number } {
  const seen = new Map<string, number>();
  const kept: Span[] = [];
  let merged = 0;
  for (const span of spans) {
    if (!span || typeof span.id !== 'string') continue;
    const half = span.shared || span.kind === 'SERVER' ? 's' : 'c';
    const service = span.localEndpoint?.serviceName ?? '';
    const key = `${span.id} ${service} ${span.shared ? 's' : ''}`;
    // A part without a service belongs to whatever has its id and side.
    const at = seen.get(key) ?? seen.get(`${span.id} ${half}`);
    const joins = at !== undefined && (seen.has(key) || service === '' || !kept[at].localEndpoint);
    if (joins) {
      kept[at] = join(kept[at], span);
      merged += 1;
    } else {
      seen.set(key, kept.length);
      seen.set(`${span.id} ${half}`, kept.length);
      kept.push(span);
    }
  }
  return { spans: kept, merged };
}

function join(a: Span, b: Span): Span {
  return {
    ...b,
    ...a,
    parentId: a.parentId ?? b.parentId,
    kind: a.kind ?? b.kind,
    name: a.name || b.name,
    timestamp: a.timestamp || b.timestamp,
    duration: Math.max(a.duration ?? 0, b.duration ?? 0) || undefined,
    localEndpoint: { ...b.localEndpoint, ...a.localEndpoint },
    remoteEndpoint: a.remoteEndpoint ?? b.remoteEndpoint,
    annotations: joinAnnotations(a.annotations, b.annotations),
    tags: a.tags || b.tags ? { ...b.tags, ...a.tags } : undefined,
  };
}

function joinAnnotations(a?: Annotation[], b?: Annotation[]): Annotation[] | undefined {
  if (!a || !b) return a ?? b;
  const key = (one: Annotation) => `${one.timestamp} ${one.value}`;
  const known = new Set(a.map(key));
  const all = [...a, ...b.filter((one) => !known.has(key(one)))];
  return all.sort((x, y) => x.timestamp - y.timestamp);
}
