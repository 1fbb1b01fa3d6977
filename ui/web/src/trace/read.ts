//! Reads spans from text: Zipkin's second and first format, alone or in a list of traces.

import type { Annotation, Endpoint, Span } from './model';

interface V1Annotation {
  timestamp?: number;
  value?: string;
  key?: string;
  endpoint?: Endpoint;
}

interface V1Span extends Omit<Span, 'annotations'> {
  annotations?: V1Annotation[];
  binaryAnnotations?: (V1Annotation & { value?: unknown })[];
}

/** Returns the spans of a text; fails with a SyntaxError when it is no JSON. */
export function read(text: string): Span[] {
  const json: unknown = JSON.parse(text);
  const list = Array.isArray(json) ? json.flat() : [json];
  const spans = list.filter(
    (one): one is Span => typeof one === 'object' && one !== null && typeof one.id === 'string' &&
      typeof one.traceId === 'string',
  );
  if (spans.length === 0) throw new Error('no spans in it');
  return spans.map((span) => (isV1(span) ? fromV1(span as V1Span) : tidied(span)));
}

/** Times may be texts in files of other makers; the rest is taken as it is. */
function tidied(span: Span): Span {
  if (typeof span.timestamp === 'string') span.timestamp = Number(span.timestamp);
  if (typeof span.duration === 'string') span.duration = Number(span.duration);
  return span;
}

function isV1(span: Span): boolean {
  return 'binaryAnnotations' in span ||
    (span.annotations ?? []).some((one) => 'endpoint' in one);
}

const SIDES: Record<string, [string, 'start' | 'end']> = {
  cs: ['CLIENT', 'start'], cr: ['CLIENT', 'end'], sr: ['SERVER', 'start'], ss: ['SERVER', 'end'],
  ms: ['PRODUCER', 'start'], mr: ['CONSUMER', 'start'],
};

function fromV1(v1: V1Span): Span {
  const annotations: Annotation[] = [];
  const span: Span = { traceId: v1.traceId, id: v1.id, parentId: v1.parentId, name: v1.name };
  let [begin, stop] = [v1.timestamp, undefined as number | undefined];
  for (const one of v1.annotations ?? []) {
    const side = SIDES[one.value ?? ''];
    span.localEndpoint ??= one.endpoint;
    if (!side) annotations.push({ timestamp: one.timestamp ?? 0, value: one.value ?? '' });
    else if (side[1] === 'start') {
      span.kind = side[0];
      begin ??= one.timestamp;
    } else stop = one.timestamp;
  }
  for (const one of v1.binaryAnnotations ?? []) {
    const key = one.key ?? '';
    if (/^(sa|ca|ma)$/.test(key)) span.remoteEndpoint = one.endpoint;
    else (span.tags ??= {})[key] = String(one.value);
    if (!/^(sa|ca|ma)$/.test(key)) span.localEndpoint ??= one.endpoint;
  }
  span.timestamp = begin;
  span.duration = v1.duration ?? (begin && stop && stop > begin ? stop - begin : undefined);
  if (annotations.length > 0) span.annotations = annotations;
  return span;
}
