//! Where rows of the result come from: our own API, which streams summaries, or plain Zipkin's,
//! which sends whole traces that are summed up here.

import { signal } from '@preact/signals';
import { apiUrl, askJson, askLines, AskError } from '../core/api';
import { toApi, type Criteria, type Term } from './criteria';

/** Name, spans, spans with an error, longest span in microseconds. */
export type ServiceShare = [string, number, number, number];

export interface Summary {
  id: string;
  startUs: number;
  durUs: number;
  root: { svc: string; name: string };
  missingRoot: boolean;
  spans: number;
  errors: number;
  services: ServiceShare[];
  moreServices: number;
}

export interface PageEnd {
  cursor: string | null;
  complete: boolean;
  reason: string | null;
  tookMs: number | null;
  scannedSpans: number | null;
}

export interface Group {
  svc: string;
  name: string;
  count: number;
  errors: number;
  p50Us: number;
  p95Us: number;
  p99Us: number;
  maxUs: number;
  slowest: string;
  latestError: string | null;
  latestMs: number;
}

export interface Overview {
  startMs: number;
  stepMs: number;
  cols: number;
  edgesUs: number[];
  cells: [number, number, number, number][];
  exemplars: [number, number, string][];
  groups: Group[];
  moreGroups: number;
  fromMs?: number;
  traces: number;
  errors: number;
  spans: number;
  complete: boolean;
  /** Why it is not complete: `traces`, more match than were looked at; `time`. */
  reason?: string;
  meta: { tookMs: number };
}

export interface Why {
  clauses: { drop: string; found: boolean }[];
  /** The newest match of the week before the window, else the newest of the week behind it. */
  wider: { startMs: number; endMs: number; traceId: string } | null;
  store: { oldestMs: number | null; newestMs: number | null; spans: number | null };
  /** False where it was cut short: then nothing is known of what is not there. */
  complete: boolean;
}

/** Returns when an overview begins and when it ends. */
export function endsOf({ startMs, stepMs, cols }: Overview): [number, number] {
  return [startMs, startMs + stepMs * cols];
}

/** Whether the server has our API; unknown until it was asked once. */
const extended = signal<boolean | null>(null);

/** Whether the server is known to be a plain Zipkin. */
export function isPlain(): boolean {
  return extended.value === false;
}

async function extendedOr<T>(ours: () => Promise<T>, plain: () => Promise<T>): Promise<T> {
  if (extended.peek() === false) return plain();
  try {
    const answer = await ours();
    extended.value = true;
    return answer;
  } catch (error) {
    if (!(error instanceof AskError) || error.status !== 404) throw error;
    extended.value = false;
    return plain();
  }
}

interface Line {
  t?: Summary;
  end?: {
    cursor: string | null;
    complete: boolean;
    reason?: string;
    meta?: { tookMs: number; spans: number };
  };
  error?: { message: string };
}

/** Searches; rows are given one by one. */
export function search(
  criteria: Criteria,
  at: { nowMs: number; cursor: string | null },
  row: (summary: Summary) => void,
  signal: AbortSignal,
): Promise<PageEnd> {
  const params = toApi(criteria, at.nowMs);
  return extendedOr(
    async () => {
      const ours = new URLSearchParams(params);
      if (at.cursor) ours.set('cursor', at.cursor);
      let end: PageEnd | null = null;
      await askLines(apiUrl('ui/v1/traces', ours), (value) => {
        const line = value as Line;
        if (line.t) row(line.t);
        if (line.error) throw new AskError(500, line.error.message);
        if (line.end) end = endOf(line.end);
      }, signal);
      if (!end) throw new AskError(0, 'cut');
      return end;
    },
    async () => {
      const traces = await askJson<PlainSpan[][]>(apiUrl('v2/traces', params), signal);
      const wanted = traces.filter((trace) => trace.length > 0 && !isLeftOut(trace, criteria.without));
      const rows = wanted.map(summarize).filter((row) => isRooted(row, criteria));
      for (const summary of sorted(rows, criteria.sort)) row(summary);
      return { cursor: null, complete: true, reason: null, tookMs: null, scannedSpans: null };
    },
  );
}

function endOf(end: NonNullable<Line['end']>): PageEnd {
  return {
    cursor: end.cursor,
    complete: end.complete,
    reason: end.reason ?? null,
    tookMs: end.meta?.tookMs ?? null,
    scannedSpans: end.meta?.spans ?? null,
  };
}

function sorted(rows: Summary[], sort: Criteria['sort']): Summary[] {
  const weight: Record<Criteria['sort'], (s: Summary) => number> = {
    start: (s) => s.startUs, duration: (s) => s.durUs,
    spans: (s) => s.spans, errors: (s) => s.errors,
  };
  return rows.sort((a, b) => weight[sort](b) - weight[sort](a));
}

/** What the summary of a Zipkin trace looks at. */
export interface PlainSpan {
  traceId: string;
  id: string;
  parentId?: string;
  name?: string;
  timestamp?: number;
  duration?: number;
  localEndpoint?: { serviceName?: string };
  tags?: Record<string, string>;
  annotations?: { value: string }[];
}

/** Whether a trace begins with what is asked for; a plain Zipkin can't be asked that either. */
export function isRooted({ root }: Summary, asked: Criteria): boolean {
  const { rootService, rootOperation } = asked;
  return (rootService === null || root.svc === rootService) &&
    (rootOperation === null || root.name === rootOperation);
}

/** Whether a trace has what none of its spans may have; a plain Zipkin can't be asked that. */
export function isLeftOut(trace: PlainSpan[], without: Term[]): boolean {
  return without.some(({ key, value }) => trace.some((span) => {
    const tag = span.tags && Object.hasOwn(span.tags, key) ? span.tags[key] : undefined;
    if (value !== null) return tag === value;
    return tag !== undefined || span.annotations?.some((one) => one.value === key);
  }));
}

/** Sums up a whole trace, as our server does. */
export function summarize(trace: PlainSpan[]): Summary {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  let errors = 0;
  const services = new Map<string, ServiceShare>();
  for (const span of trace) {
    const service = span.localEndpoint?.serviceName ?? '';
    const failed = span.tags && 'error' in span.tags ? 1 : 0;
    errors += failed;
    if (span.timestamp) {
      first = Math.min(first, span.timestamp);
      last = Math.max(last, span.timestamp + (span.duration ?? 0));
    }
    if (!service) continue;
    const share = services.get(service) ?? [service, 0, 0, 0];
    share[1] += 1;
    share[2] += failed;
    share[3] = Math.max(share[3], span.duration ?? 0);
    services.set(service, share);
  }
  const earliest = (a: PlainSpan, b: PlainSpan) =>
    (b.timestamp ?? Infinity) < (a.timestamp ?? Infinity) ? b : a;
  const roots = trace.filter((span) => !span.parentId);
  const root = roots.length > 0 ? roots.reduce(earliest) : undefined;
  const shown = root ?? trace.reduce(earliest);
  return {
    id: trace[0].traceId,
    startUs: Number.isFinite(first) ? first : 0,
    durUs: Number.isFinite(first) ? last - first : 0,
    root: { svc: shown.localEndpoint?.serviceName ?? '', name: shown.name ?? '' },
    missingRoot: !root,
    spans: trace.length,
    errors,
    services: [...services.values()].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)),
    moreServices: 0,
  };
}

/** Asks for histogram, heat map and groups; null where the server is a plain Zipkin. */
export function overview(
  criteria: Criteria,
  nowMs: number,
  signal: AbortSignal,
): Promise<Overview | null> {
  const params = toApi(criteria, nowMs);
  params.delete('limit');
  params.delete('sort');
  params.set('cols', '96');
  params.set('rows', '24');
  return extendedOr(
    () => askJson<Overview>(apiUrl('ui/v1/overview', params), signal),
    async () => null,
  );
}

/** Asks why nothing was found; null where the server is a plain Zipkin. */
export function why(criteria: Criteria, nowMs: number, signal: AbortSignal): Promise<Why | null> {
  return extendedOr(
    () => askJson<Why>(apiUrl('ui/v1/why', toApi(criteria, nowMs)), signal),
    async () => null,
  );
}

export type NamesOf = 'services' | 'operations' | 'remotes' | 'keys' | 'values';

/** A name and how often it was seen; the count is unknown with a plain Zipkin. */
export type Name = [string, number | null];

export interface NamesAsked {
  of: NamesOf;
  service?: string;
  key?: string;
  contains?: string;
  /** The window that counts are of. */
  endMs?: number;
  lookbackMs?: number;
}

/** Asks for names to complete what is typed. */
export async function names(asked: NamesAsked, signal: AbortSignal): Promise<Name[]> {
  const params = new URLSearchParams({ of: asked.of, limit: '50' });
  if (asked.service) params.set('service', asked.service);
  if (asked.key) params.set('key', asked.key);
  if (asked.contains) params.set('contains', asked.contains);
  if (asked.endMs && asked.lookbackMs) {
    params.set('endTs', String(asked.endMs));
    params.set('lookback', String(asked.lookbackMs));
  }
  return extendedOr(
    async () => {
      const url = apiUrl('ui/v1/names', params);
      return (await askJson<{ names: Name[] }>(url, signal)).names;
    },
    () => plainNames(asked, signal),
  );
}

async function plainNames(asked: NamesAsked, signal: AbortSignal): Promise<Name[]> {
  const paths: Record<NamesOf, [string, Record<string, string>] | null> = {
    services: ['services', {}],
    operations: asked.service ? ['spans', { serviceName: asked.service }] : null,
    remotes: asked.service ? ['remoteServices', { serviceName: asked.service }] : null,
    keys: ['autocompleteKeys', {}],
    values: asked.key ? ['autocompleteValues', { key: asked.key }] : null,
  };
  const path = paths[asked.of];
  if (!path) return [];
  const url = apiUrl(`v2/${path[0]}`, new URLSearchParams(path[1]));
  const all = await askJson<string[]>(url, signal);
  const part = asked.contains?.toLowerCase() ?? '';
  const fits = all.filter((name) => name.toLowerCase().includes(part));
  return fits.slice(0, 50).map((name) => [name, null]);
}
