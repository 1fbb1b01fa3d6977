//! What is searched for, and its three forms: the page's address (which Lens and the classic page
//! understand too), the parameters of the API, and the line that people type (see line.ts).

/** A tag or annotation that a trace must have; without a value, any. */
export interface Term {
  key: string;
  value: string | null;
}

export type Sort = 'start' | 'duration' | 'spans' | 'errors';

/** A length back from the end, or a range, in milliseconds. */
export type Span =
  | { kind: 'back'; ms: number; endMs: number | null }
  | { kind: 'range'; startMs: number; endMs: number };

export interface Criteria {
  service: string;
  operation: string;
  remote: string;
  terms: Term[];
  /** What no span of a trace may have. */
  without: Term[];
  minUs: number | null;
  maxUs: number | null;
  traceMinUs: number | null;
  traceMaxUs: number | null;
  /** What a trace begins with; empty where that has no name, null for anything. */
  rootService: string | null;
  rootOperation: string | null;
  /** An edge of the dependency graph, from its page. */
  parent: string;
  child: string;
  edgeErrors: boolean;
  time: Span;
  limit: number;
  sort: Sort;
  group: boolean;
}

/** What the server's configuration says where an address is silent. */
export interface Defaults {
  lookbackMs: number;
  limit: number;
}

const UNITS: Record<string, number> = {
  s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000,
};

/** Lookbacks that one can pick. */
export const LOOKBACKS = ['1m', '5m', '15m', '30m', '1h', '3h', '6h', '12h', '1d', '2d', '7d'];

/** Returns the milliseconds of `15m`, or of a plain number. */
export function lookbackMs(text: string): number | null {
  const found = /^(\d{1,13})([smhd]?)$/.exec(text);
  if (!found) return null;
  const ms = Number(found[1]) * (found[2] ? UNITS[found[2]] : 1);
  return ms > 0 ? ms : null;
}

/** Returns the shortest text for such a length. */
export function lookbackText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    if (ms % UNITS[unit] === 0 && ms > 0) return `${ms / UNITS[unit]}${unit}`;
  }
  return String(ms);
}

const SCALES: Record<string, number> = {
  us: 1, 'µs': 1, 'μs': 1, ms: 1000, s: 1e6, m: 60e6, h: 3600e6,
};

/** Returns the microseconds of `10ms`, `1.5s`, `1h2m` or a plain number, which is microseconds. */
export function durationUs(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d{1,12}$/.test(trimmed)) return Number(trimmed);
  const part = /(\d{1,12}(?:\.\d{1,6})?)\s*(us|µs|μs|ms|s|m|h)\s*/giy;
  let [sum, at] = [0, 0];
  for (let found = part.exec(trimmed); found; found = part.exec(trimmed)) {
    sum += Number(found[1]) * SCALES[found[2].toLowerCase()];
    at = part.lastIndex;
  }
  return at > 0 && at === trimmed.length ? Math.round(sum) : null;
}

/** Returns a duration in the form that queries take: `1500us`, `10ms`, `2s`. */
export function queryDuration(us: number): string {
  if (us % 1_000_000 === 0) return `${us / 1_000_000}s`;
  if (us % 1000 === 0) return `${us / 1000}ms`;
  return `${us}us`;
}

/** Returns a bound as one writes it: `> 300ms` rather than `>= 300001us`. */
export function boundText(us: number, isLeast: boolean): { op: string; length: string } {
  const open = isLeast ? us - 1 : us + 1;
  // Whole microseconds: more than n is at least n + 1.
  if (open > 0 && open % 1000 === 0) {
    return { op: isLeast ? '>' : '<', length: queryDuration(open) };
  }
  return { op: isLeast ? '>=' : '<=', length: queryDuration(us) };
}

/** Returns what the root of a search is called. */
export function rootText({ rootService, rootOperation }: Criteria): string {
  return [rootService, rootOperation].map((text) => text || '–').join(' ');
}

/** Returns a search for everything. */
export function everything(defaults: Defaults): Criteria {
  return {
    service: '', operation: '', remote: '', terms: [], without: [],
    minUs: null, maxUs: null, traceMinUs: null, traceMaxUs: null,
    rootService: null, rootOperation: null, parent: '', child: '', edgeErrors: false,
    time: { kind: 'back', ms: defaults.lookbackMs, endMs: null },
    limit: defaults.limit, sort: 'start', group: false,
  };
}

/** Splits `a=b and error and c=d`. */
export function termsOf(annotationQuery: string): Term[] {
  return annotationQuery
    .split(/\s+and\s+/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map(termOf);
}

/**
 * Returns the terms that are searched for of those that an address has, as the API reads them: an
 * empty value is none, and of several conditions on one key the last value holds.
 */
export function inForce(terms: Term[]): Term[] {
  const found = new Map<string, Term>();
  for (const { key, value } of terms) {
    if (value === null && found.has(key)) continue;
    found.set(key, { key, value: value || null });
  }
  return [...found.values()];
}

/** Splits `key=value` at its first equals sign. */
export function termOf(text: string): Term {
  const at = text.indexOf('=');
  if (at <= 0) return { key: text, value: null };
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}

export function termText(term: Term): string {
  return term.value === null ? term.key : `${term.key}=${term.value}`;
}

/** Whether a term can stand among others in one text, which is cut at "and" and trimmed. */
export function isListed(term: Term): boolean {
  const isTrim = (text: string) => text === text.trim();
  return !/\sand\s/.test(` ${termText(term)} `) && isTrim(term.key) && isTrim(term.value ?? '');
}

/** Returns all terms that an address has. */
export function termsIn(params: URLSearchParams): Term[] {
  const listed = termsOf(params.get('annotationQuery') ?? '');
  return [...listed, ...params.getAll('tag').filter(Boolean).map(termOf)];
}

const notAll = (text: string | null) => (text === null || text === 'all' ? '' : text.trim());

function timeOf(params: URLSearchParams, defaults: Defaults): Span {
  const lookback = params.get('lookback') ?? '';
  const number = (key: string) => {
    const value = Number(params.get(key) || Number.NaN);
    return Number.isFinite(value) && value > 0 ? value : null;
  };
  const endMs = number('endTs');
  const startMs = number('startTs');
  if ((lookback === 'range' || lookback === 'custom') && startMs !== null) {
    return { kind: 'range', startMs, endMs: endMs ?? Date.now() };
  }
  const ms = lookback === 'millis' ? number('millis') : lookbackMs(lookback);
  // Links of Lens carry the moment of the search as endTs; a lookback counts from now, as there.
  // Only a range stays where it was. Classic links name a number and mean the end they name.
  const classic = /^\d+$/.test(lookback);
  return { kind: 'back', ms: ms ?? defaults.lookbackMs, endMs: classic ? endMs : null };
}

function sortOf(params: URLSearchParams): Sort {
  const text = params.get('sort') ?? params.get('sortOrder') ?? '';
  if (text.startsWith('duration')) return 'duration';
  return text === 'spans' || text === 'errors' ? text : 'start';
}

/** Reads an address: ours, Lens's, or the classic page's. */
export function fromAddress(params: URLSearchParams, defaults: Defaults): Criteria {
  const duration = (key: string) => {
    const text = params.get(key);
    return text ? durationUs(text) : null;
  };
  const limit = Number(params.get('limit') || defaults.limit);
  return {
    service: notAll(params.get('serviceName')).toLowerCase(),
    operation: notAll(params.get('spanName')).toLowerCase(),
    remote: notAll(params.get('remoteServiceName')).toLowerCase(),
    terms: inForce(termsIn(params)),
    without: params.getAll('without').filter(Boolean).map(termOf),
    minUs: duration('minDuration'),
    maxUs: duration('maxDuration'),
    traceMinUs: duration('minTraceDuration'),
    traceMaxUs: duration('maxTraceDuration'),
    rootService: params.get('rootServiceName'),
    rootOperation: params.get('rootSpanName'),
    parent: params.get('parent') ?? '',
    child: params.get('child') ?? '',
    edgeErrors: params.get('edgeErrors') === 'true',
    time: timeOf(params, defaults),
    limit: Number.isInteger(limit) && limit > 0 ? Math.min(limit, 1000) : defaults.limit,
    sort: sortOf(params),
    group: params.get('view') === 'groups',
  };
}

function addFilters(params: URLSearchParams, c: Criteria, us: (us: number) => string): void {
  const set = (key: string, value: string | number | null) => {
    if (value !== null && value !== '') params.set(key, String(value));
  };
  set('serviceName', c.service);
  set('spanName', c.operation);
  set('remoteServiceName', c.remote);
  const plain = c.terms.filter(isListed);
  set('annotationQuery', plain.map(termText).join(' and '));
  for (const term of c.terms) if (!plain.includes(term)) params.append('tag', termText(term));
  for (const term of c.without) params.append('without', termText(term));
  const lengths: [string, number | null][] = [
    ['minDuration', c.minUs], ['maxDuration', c.maxUs],
    ['minTraceDuration', c.traceMinUs], ['maxTraceDuration', c.traceMaxUs],
  ];
  for (const [key, value] of lengths) set(key, value === null ? null : us(value));
  // Empty means a root without a name, so these are there even when they are empty.
  if (c.rootService !== null) params.set('rootServiceName', c.rootService);
  if (c.rootOperation !== null) params.set('rootSpanName', c.rootOperation);
  set('parent', c.parent);
  set('child', c.child);
  if (c.edgeErrors) params.set('edgeErrors', 'true');
}

/** Writes the address of a search, which Lens reads as well. */
export function toAddress(c: Criteria): URLSearchParams {
  const params = new URLSearchParams();
  addFilters(params, c, (us) => {
    if (us % 1_000_000 === 0 && us > 0) return `${us / 1_000_000}s`;
    return us % 1000 === 0 && us > 0 ? `${us / 1000}ms` : `${us}us`;
  });
  if (c.time.kind === 'range') {
    params.set('lookback', 'range');
    params.set('startTs', String(c.time.startMs));
    params.set('endTs', String(c.time.endMs));
  } else if (c.time.endMs !== null) {
    params.set('lookback', 'range');
    params.set('startTs', String(c.time.endMs - c.time.ms));
    params.set('endTs', String(c.time.endMs));
  } else {
    params.set('lookback', lookbackText(c.time.ms));
  }
  params.set('limit', String(c.limit));
  if (c.sort !== 'start') params.set('sort', c.sort);
  if (c.group) params.set('view', 'groups');
  return params;
}

/** Writes the parameters of the API, for a search that is made now. */
export function toApi(c: Criteria, nowMs: number): URLSearchParams {
  const params = new URLSearchParams();
  // A maximum alone is refused by Zipkin's API; every span lasts at least a microsecond.
  const whole = c.maxUs !== null && c.minUs === null ? { ...c, minUs: 1 } : c;
  addFilters(params, whole, String);
  const { startMs, endMs } = windowOf(c, nowMs);
  params.set('endTs', String(Math.ceil(endMs)));
  params.set('lookback', String(Math.max(1, Math.ceil(endMs - startMs))));
  params.set('limit', String(c.limit));
  if (c.sort !== 'start') params.set('sort', c.sort);
  return params;
}

/** Returns the first and last moment of a search that is made now. */
export function windowOf(c: Criteria, nowMs: number): { startMs: number; endMs: number } {
  if (c.time.kind === 'range') return { startMs: c.time.startMs, endMs: c.time.endMs };
  const endMs = c.time.endMs ?? nowMs;
  return { startMs: endMs - c.time.ms, endMs };
}

/** Whether an address asks for a search rather than for an empty form; any criterion is enough. */
export function isEmpty(c: Criteria): boolean {
  return !c.service && !c.operation && !c.remote && c.terms.length === 0 &&
    c.without.length === 0 && c.minUs === null && c.maxUs === null && c.traceMinUs === null &&
    c.traceMaxUs === null && c.rootService === null && c.rootOperation === null && !c.parent;
}
