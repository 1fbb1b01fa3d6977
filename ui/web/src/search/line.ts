//! The line that people type: `service=checkout error duration>300ms http.status_code=500`. It
//! says where it does not understand. Parts are joined by "and", said or not.

import { durationUs, queryDuration, termText, type Criteria, type Term } from './criteria';

/** The filters that a line can hold; time and order are picked elsewhere. */
export type Filters = Pick<
  Criteria,
  | 'service' | 'operation' | 'remote' | 'terms' | 'minUs' | 'maxUs' | 'traceMinUs' | 'traceMaxUs'
  | 'parent' | 'child' | 'edgeErrors'
>;

export type LineErrorKind = 'quote' | 'duration' | 'compare' | 'or' | 'empty';

export interface LineError {
  kind: LineErrorKind;
  /** Where in the line, in UTF-16 units. */
  at: number;
  text: string;
}

export type Parsed = { filters: Filters; error: null } | { filters: null; error: LineError };

export interface Token {
  at: number;
  end: number;
  key: string;
  op: '' | '=' | '>' | '<' | '>=' | '<=' | '!=';
  value: string;
  /** Where the value begins. */
  valueAt: number;
}

const NAMES: Record<string, 'service' | 'operation' | 'remote'> = {
  service: 'service', servicename: 'service', svc: 'service',
  operation: 'operation', spanname: 'operation', name: 'operation', op: 'operation',
  remote: 'remote', remoteservice: 'remote', remoteservicename: 'remote',
};

/** Returns the trace id that a text is, or null. Short forms get their zeros by the server. */
export function traceIdOf(text: string): string | null {
  const found = /(?:^|\/traces?\/)((?:[0-9a-f]{16}){1,2})(?:[?#].*)?$/i.exec(text.trim());
  return found ? found[1].toLowerCase() : null;
}

/** Cuts a line into its parts; fails at a quote that is not closed. */
export function tokens(line: string): Token[] | LineError {
  const found: Token[] = [];
  let at = 0;
  while (at < line.length) {
    if (/\s/.test(line[at])) {
      at += 1;
      continue;
    }
    const start = at;
    const key = word(line, at);
    if (typeof key === 'number') return { kind: 'quote', at: key, text: line.slice(key) };
    at = key.end;
    const op = /^(?:>=|<=|!=|=|>|<)/.exec(line.slice(at, at + 2))?.[0] ?? '';
    at += op.length;
    let value = { text: '', end: at };
    const valueAt = at;
    if (op) {
      const read = word(line, at, true);
      if (typeof read === 'number') return { kind: 'quote', at: read, text: line.slice(read) };
      value = read;
      at = value.end;
    }
    found.push({
      at: start, end: at, key: key.text, op: op as Token['op'], value: value.text, valueAt,
    });
  }
  return found;
}

/** Reads a word, quoted or bare; a bare key ends at a comparison. A number is an open quote. */
function word(line: string, from: number, isValue = false): { text: string; end: number } | number {
  if (line[from] === '"') {
    let text = '';
    for (let at = from + 1; at < line.length; at += 1) {
      if (line[at] === '\\' && at + 1 < line.length) text += line[(at += 1)];
      else if (line[at] === '"') return { text, end: at + 1 };
      else text += line[at];
    }
    return from;
  }
  let end = from;
  while (end < line.length && !/\s/.test(line[end])) {
    if (!isValue && end > from && /[=<>]/.test(line[end])) break;
    if (!isValue && end > from && line[end] === '!' && line[end + 1] === '=') break;
    end += 1;
  }
  return { text: line.slice(from, Math.max(end, from)), end: Math.max(end, from) };
}

/** Understands a line, or says where it does not. */
export function parseLine(line: string): Parsed {
  const cut = tokens(line);
  if (!Array.isArray(cut)) return { filters: null, error: cut };
  const filters: Filters = {
    service: '', operation: '', remote: '', terms: [],
    minUs: null, maxUs: null, traceMinUs: null, traceMaxUs: null,
    parent: '', child: '', edgeErrors: false,
  };
  for (const token of cut) {
    const error = take(filters, token);
    if (error) return { filters: null, error };
  }
  return { filters, error: null };
}

function take(filters: Filters, token: Token): LineError | null {
  const { key, op, value } = token;
  const low = key.toLowerCase();
  const wrong = (kind: LineErrorKind, at = token.at) => ({ kind, at, text: key + op + value });
  if (op === '' && low === 'and') return null;
  if (op === '' && (low === 'or' || low === 'not')) return wrong('or');
  if (low === 'duration' || low === 'traceduration') {
    return takeDuration(filters, token, low === 'traceduration');
  }
  if (op === '') {
    filters.terms.push({ key, value: null });
    return null;
  }
  if (op !== '=') return wrong('compare', token.valueAt - op.length);
  if (key === '' || /^[=<>!]/.test(key)) return wrong('empty');
  if (value === '') return wrong('empty', token.valueAt);
  const name = NAMES[low];
  if (name) filters[name] = value.toLowerCase();
  else if (low === 'call') return takeCall(filters, token);
  else filters.terms.push({ key, value });
  return null;
}

/** `call=a->b` are traces with such a call; `call=a-x>b` those where it failed. */
function takeCall(filters: Filters, token: Token): LineError | null {
  const edge = /^(.+?)-(x?)>(.+)$/.exec(token.value);
  if (!edge) return { kind: 'empty', at: token.valueAt, text: token.value };
  filters.parent = edge[1];
  filters.edgeErrors = edge[2] === 'x';
  filters.child = edge[3];
  return null;
}

function takeDuration(filters: Filters, token: Token, whole: boolean): LineError | null {
  const us = durationUs(token.value);
  if (us === null) {
    return { kind: 'duration', at: token.valueAt, text: token.value || token.key };
  }
  if (token.op === '!=' || token.op === '') {
    return { kind: 'compare', at: token.at, text: token.key + token.op };
  }
  // Whole microseconds: more than n is at least n + 1.
  const min = { '>': us + 1, '>=': us, '=': us }[token.op as string] ?? null;
  const max = { '<': us - 1, '<=': us, '=': us }[token.op as string] ?? null;
  if (min !== null) filters[whole ? 'traceMinUs' : 'minUs'] = Math.max(1, min);
  if (max !== null) filters[whole ? 'traceMaxUs' : 'maxUs'] = Math.max(1, max);
  return null;
}

function inQuotes(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

function quoted(text: string): string {
  return text !== '' && !/[\s"]/.test(text) ? text : inQuotes(text);
}

function keyed(term: Term): string {
  const strange = /[\s"=<>!]/.test(term.key) || /^(and|or|not|duration|call)$/i.test(term.key);
  const key = strange ? inQuotes(term.key) : term.key;
  return term.value === null ? key : `${key}=${quoted(term.value)}`;
}

/** Writes the line of filters. */
export function lineOf(filters: Filters): string {
  const parts: string[] = [];
  if (filters.service) parts.push(`service=${quoted(filters.service)}`);
  if (filters.operation) parts.push(`operation=${quoted(filters.operation)}`);
  if (filters.remote) parts.push(`remote=${quoted(filters.remote)}`);
  for (const term of filters.terms) parts.push(keyed(term));
  const lengths: [string, number | null][] = [
    ['duration>=', filters.minUs], ['duration<=', filters.maxUs],
    ['traceDuration>=', filters.traceMinUs], ['traceDuration<=', filters.traceMaxUs],
  ];
  for (const [word, us] of lengths) if (us !== null) parts.push(word + queryDuration(us));
  if (filters.parent) {
    const arrow = filters.edgeErrors ? '-x>' : '->';
    parts.push(`call=${quoted(filters.parent + arrow + filters.child)}`);
  }
  return parts.join(' ');
}

/** Returns the same terms with one more. */
export function withTerm(terms: Term[], term: Term): Term[] {
  const text = termText(term);
  return terms.some((one) => termText(one) === text) ? terms : [...terms, term];
}
