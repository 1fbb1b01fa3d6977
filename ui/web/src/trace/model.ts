//! What a trace is to the page: Zipkin's spans as they come, and the columns that they become. The
//! columns are in depth-first order, so that a subtree is a range.

export interface Endpoint {
  serviceName?: string;
  ipv4?: string;
  ipv6?: string;
  port?: number;
}

export interface Annotation {
  timestamp: number;
  value: string;
}

export interface Span {
  traceId: string;
  id: string;
  parentId?: string;
  kind?: string;
  name?: string;
  timestamp?: number;
  duration?: number;
  localEndpoint?: Endpoint;
  remoteEndpoint?: Endpoint;
  annotations?: Annotation[];
  tags?: Record<string, string>;
  debug?: boolean;
  shared?: boolean;
}

/** Bits of `Columns.flags`. */
export const FAILED = 1;
/** Stands for a parent that is not (yet) there. */
export const PLACEHOLDER = 2;
/** Its start was moved because its host's clock differs. */
export const SKEWED = 4;
/** It came without a timestamp and is shown where its parent begins. */
export const NO_TIME = 8;
/** It came without a duration: it may still run. */
export const NO_DURATION = 16;
/** The server's half of a span that both sides reported under one id. */
export const SHARED = 32;
/** It was its own ancestor; here the circle was cut. */
export const CYCLE = 64;

export const KINDS = ['', 'CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER'];

export interface Shift {
  service: string;
  us: number;
}

export interface Notes {
  roots: number;
  missingParents: number;
  shifts: Shift[];
  noTime: number;
  noDuration: number;
  cycles: number;
  /** Reports of a span that were joined with another. */
  merged: number;
  errors: number;
  depth: number;
  /** From the first start to the last end by clocks as they are: what lists and searches go by. */
  rawTotal: number;
}

export interface Columns {
  traceId: string;
  count: number;
  /** The earliest start, in microseconds since the epoch. */
  t0: number;
  /** From there to the latest end. */
  total: number;
  /** Microseconds since `t0`. */
  start: Float64Array;
  /** Microseconds; 0 where there is none. */
  dur: Float64Array;
  parent: Int32Array;
  /** Behind the last of its subtree. */
  end: Int32Array;
  depth: Int32Array;
  service: Uint32Array;
  name: Uint32Array;
  kind: Uint8Array;
  flags: Uint8Array;
  ids: BigUint64Array;
  /** Which of the spans it is; -1 for placeholders. */
  source: Int32Array;
  services: string[];
  names: string[];
  /** Which of `remotes` a span says that it talked with; -1 for none. */
  remote: Int32Array;
  remotes: string[];
  /** Annotations of span i are `annAt[annFrom[i]..annFrom[i + 1]]`, in microseconds since `t0`. */
  annFrom: Int32Array;
  annAt: Float64Array;
  /** Time in which none of its children ran: pieces `[start, end]` of span i, and their sum. */
  selfFrom: Int32Array;
  selfAt: Float64Array;
  self: Float64Array;
  /** For the first of five or more like siblings in a row, how many they are. */
  run: Int32Array;
  notes: Notes;
}

/**
 * Returns the parent's id as the span names it; until that is known, the id of the row above,
 * unless that is the other half of the span itself. Empty where there is none.
 */
export function parentIdText(columns: Columns, index: number, span: Span | null): string {
  if (span) return span.parentId ?? '';
  const up = columns.parent[index];
  return up < 0 || columns.ids[up] === columns.ids[index] ? '' : idText(columns, up);
}

/** Returns a span's id as it is written. */
export function idText(columns: Columns, index: number): string {
  return columns.ids[index].toString(16).padStart(16, '0');
}

/** What an id in an address ends with when it means the server's half of two. */
const HALF = '-s';

/** Returns how addresses name a span: by its id, and which half of that it is. */
export function halfText(columns: Columns, index: number): string {
  return idText(columns, index) + (columns.flags[index] & SHARED ? HALF : '');
}

/**
 * Returns the spans that such names mean. An id alone is the half that is not the server's; where
 * only one half is there, each name means that one.
 */
export function halvesOf(columns: Columns, names: Iterable<string>): number[] {
  const [plain, served] = [new Set<bigint>(), new Set<bigint>()];
  for (const name of names) {
    const found = /^([0-9a-f]{1,16})(-s)?$/i.exec(name);
    if (found) (found[2] ? served : plain).add(BigInt(`0x${found[1]}`));
  }
  if (plain.size + served.size === 0) return [];
  const chosen = new Set<number>();
  const other = new Map<bigint, number>();
  const met = [new Set<bigint>(), new Set<bigint>()];
  for (let i = 0; i < columns.count; i += 1) {
    const id = columns.ids[i];
    const isServed = (columns.flags[i] & SHARED) !== 0;
    const [own, others] = isServed ? [served, plain] : [plain, served];
    if (own.has(id)) {
      chosen.add(i);
      met[Number(isServed)].add(id);
    }
    if (others.has(id) && !other.has(id)) other.set(id, i);
  }
  for (const [id, i] of other) {
    const isServed = (columns.flags[i] & SHARED) !== 0;
    if (!met[Number(!isServed)].has(id)) chosen.add(i);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** Returns what a span is called by its service and name; both may be empty. */
export function serviceOf(columns: Columns, index: number): string {
  return columns.services[columns.service[index]];
}

export function nameOf(columns: Columns, index: number): string {
  return columns.names[columns.name[index]];
}

/** Returns the buffers of columns, to be handed over between threads without a copy. */
export function buffersOf(columns: Columns): ArrayBuffer[] {
  const arrays = Object.values(columns).filter((value) => ArrayBuffer.isView(value));
  return arrays.map((array) => (array as Uint8Array<ArrayBuffer>).buffer);
}
