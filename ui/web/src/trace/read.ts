//! Reads spans from text: Zipkin's second and first format, alone or in a list of traces.

import type { Annotation, Endpoint, Span } from './model';

type Bag = Record<string, unknown>;

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
  const list: unknown[] = Array.isArray(json) ? json.flat() : [json];
  const spans = list.filter((one): one is Bag =>
    isBag(one) && typeof one.id === 'string' && typeof one.traceId === 'string');
  if (spans.length === 0) throw new Error('no spans in it');
  return spans.map((one) => {
    const span = tidied(one);
    return isV1(span) ? fromV1(span as V1Span) : span;
  });
}

function isBag(value: unknown): value is Bag {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns a value of a file as the text that it should have been. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function numberOf(value: unknown): number | undefined {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && value !== '');
  return isNumber && Number.isFinite(Number(value)) ? Number(value) : undefined;
}

/** Files of other makers have numbers where texts belong, and the other way round. */
function tidied(span: Bag): Span {
  for (const key of TEXTS) tidyText(span, key);
  for (const key of NUMBERS) if (key in span) span[key] = numberOf(span[key]);
  for (const key of ENDS) tidyEndpoint(span, key);
  if (isBag(span.tags)) for (const key in span.tags) span.tags[key] = textOf(span.tags[key]);
  else if ('tags' in span) span.tags = undefined;
  for (const key of LISTS) {
    if (!(key in span)) continue;
    const list: unknown[] = Array.isArray(span[key]) ? span[key] : [];
    const kept = list.filter(isBag);
    for (const one of kept) tidyAnnotation(one, span.timestamp);
    span[key] = kept;
  }
  return span as unknown as Span;
}

const TEXTS = ['parentId', 'name', 'kind'];
const NUMBERS = ['timestamp', 'duration'];
const ENDS = ['localEndpoint', 'remoteEndpoint'];
const LISTS = ['annotations', 'binaryAnnotations'];

function tidyText(bag: Bag, key: string): void {
  if (key in bag) bag[key] = bag[key] == null ? undefined : textOf(bag[key]);
}

function tidyEndpoint(bag: Bag, key: string): void {
  const end = bag[key];
  if (isBag(end)) tidyText(end, 'serviceName');
  else if (key in bag) bag[key] = undefined;
}

/** One without a value says nothing but when; one without a time is where its span begins. */
function tidyAnnotation(one: Bag, spanAt: unknown): void {
  one.timestamp = numberOf(one.timestamp) ?? spanAt ?? 0;
  one.value = one.value === undefined ? '' : textOf(one.value);
  tidyEndpoint(one, 'endpoint');
}

function isV1(span: Span): boolean {
  return 'binaryAnnotations' in span ||
    (span.annotations ?? []).some((one) => 'endpoint' in one);
}

const SIDES = new Map<string, [string, 'start' | 'end']>([
  ['cs', ['CLIENT', 'start']], ['cr', ['CLIENT', 'end']], ['sr', ['SERVER', 'start']],
  ['ss', ['SERVER', 'end']], ['ms', ['PRODUCER', 'start']], ['mr', ['CONSUMER', 'start']],
]);

function fromV1(v1: V1Span): Span {
  const annotations: Annotation[] = [];
  const span: Span = { traceId: v1.traceId, id: v1.id, parentId: v1.parentId, name: v1.name };
  let [begin, stop] = [v1.timestamp, undefined as number | undefined];
  for (const one of v1.annotations ?? []) {
    const side = SIDES.get(one.value ?? '');
    span.localEndpoint ??= one.endpoint;
    if (!side) annotations.push({ timestamp: one.timestamp ?? 0, value: one.value ?? '' });
    else if (side[1] === 'start') {
      span.kind = side[0];
      begin ??= one.timestamp || undefined;
    } else stop = one.timestamp || stop;
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
