//! The line that people type: `service=checkout error duration>300ms http.status_code=500`. It
//! says where it does not understand. Parts are joined by "and", said or not; `key!=value` and
//! `not key` leave traces out.

import { boundText, durationUs, type Criteria, type Term } from './criteria';

/** The filters that a line can hold; time and order are picked elsewhere. */
export type Filters = Pick<
  Criteria,
  | 'service' | 'operation' | 'remote' | 'terms' | 'without' | 'minUs' | 'maxUs'
  | 'traceMinUs' | 'traceMaxUs' | 'rootService' | 'rootOperation' | 'parent' | 'child' | 'edgeErrors'
>;

export type LineErrorKind =
  | 'quote' | 'duration' | 'compare' | 'or' | 'empty' | 'twice' | 'crossed' | 'key'
  | 'again' | 'none';

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
  /** The key stands in quotes: then it is a tag's, whatever it says. */
  quoted: boolean;
  op: '' | '=' | '>' | '<' | '>=' | '<=' | '!=';
  value: string;
  /** Where the value begins. */
  valueAt: number;
}

const NAMES = new Map<string, 'service' | 'operation' | 'remote'>([
  ['service', 'service'], ['servicename', 'service'], ['svc', 'service'],
  ['operation', 'operation'], ['spanname', 'operation'], ['name', 'operation'],
  ['op', 'operation'],
  ['remote', 'remote'], ['remoteservice', 'remote'], ['remoteservicename', 'remote'],
]);

/** What a trace begins with; here an empty value in quotes is one. */
const ROOTS = new Map<string, 'rootService' | 'rootOperation'>([
  ['rootservice', 'rootService'], ['rootoperation', 'rootOperation'],
]);

/** Words of the line, which a tag's key is not unless it stands in quotes. */
const OWN = /^(and|or|not|duration|traceduration|call)$/i;

/** A trace id, as people paste it: alone, at the end of an address, or in a header of W3C or B3. */
const IDS = [
  /(?:^|\/traces?\/)((?:[0-9a-f]{16}){1,2})(?:[?#].*)?$/i,
  /^(?:traceparent\s*[:=]\s*)?["']?[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}["']?$/i,
  /^(?:b3\s*[:=]\s*)?((?:[0-9a-f]{16}){1,2})-[0-9a-f]{16}(?:-[01d](?:-[0-9a-f]{16})?)?$/i,
  /^x-b3-traceid\s*[:=]\s*((?:[0-9a-f]{16}){1,2})$/i,
  /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i,
];

/** Returns the trace id that a text is, or null. Short forms get their zeros by the server. */
export function traceIdOf(text: string): string | null {
  for (const form of IDS) {
    const found = form.exec(text.trim());
    if (found) return found[1].toLowerCase().replaceAll('-', '');
  }
  return null;
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
      at: start, end: at, key: key.text, quoted: line[start] === '"', op: op as Token['op'], value: value.text, valueAt,
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

/** Why no search can take a term beside those that it has; null where one can. */
export function refusal(terms: Term[], term: Term): 'again' | 'none' | null {
  // Zipkin's API reads an empty value as none, and keeps the last of several for one key.
  if (term.value === '') return 'none';
  // A key alone stands back behind a value of it.
  if (term.value === null) return null;
  const isOther = ({ key, value }: Term) =>
    key === term.key && value !== null && value !== term.value;
  return terms.some(isOther) ? 'again' : null;
}

/** Says what is wrong with a tag beside the others; null where it can stand. */
type Check = typeof refusal;

/** Understands the line of a search, or says where it does not. */
export function parseLine(line: string): Parsed {
  return parse(line, refusal);
}

/** Understands a line that is looked for in an open trace, where tags may be anything. */
export function parseFind(line: string): Parsed {
  return parse(line, () => null);
}

function parse(line: string, check: Check): Parsed {
  const cut = tokens(line);
  if (!Array.isArray(cut)) return { filters: null, error: cut };
  const filters: Filters = {
    service: '', operation: '', remote: '', terms: [], without: [],
    minUs: null, maxUs: null, traceMinUs: null, traceMaxUs: null,
    rootService: null, rootOperation: null, parent: '', child: '', edgeErrors: false,
  };
  for (let k = 0; k < cut.length; k += 1) {
    const isNot = isWord(cut[k], 'not');
    const key = cut[isNot ? k + 1 : k];
    if (key && isCut(key)) {
      return { filters: null, error: { kind: 'key', at: key.at, text: key.key } };
    }
    // What "not" stands before is left out; behind it there must be something.
    const error = isNot ? takeNot(filters, cut[k], cut[(k += 1)]) : take(filters, cut[k], check);
    if (error) return { filters: null, error };
  }
  return { filters, error: null };
}

/** Whether a key holds what parts it from its value in Zipkin's API: it would be another key. */
function isCut({ key, quoted: isQuoted, op }: Token): boolean {
  const at = isQuoted ? key.indexOf('=') : -1;
  return at > 0 || (at === 0 && op !== '');
}

/** Whether a part begins with a comparison, of which nobody knows what is compared. */
function isCompare(token: Token): boolean {
  return !token.quoted && /^[=<>!]/.test(token.key);
}

/** Whether a part is this word, and no tag of that name. */
function isWord(token: Token, word: string): boolean {
  return !token.quoted && token.op === '' && token.key.toLowerCase() === word;
}

/** Whether nothing stands behind the comparison, not even quotes. */
function isMissing(token: Token): boolean {
  return token.end === token.valueAt;
}

function takeNot(filters: Filters, not: Token, token: Token | undefined): LineError | null {
  if (!token) return { kind: 'empty', at: not.end, text: not.key };
  const { key, op, value } = token;
  if (op === '') {
    if (!token.quoted && OWN.test(key)) return { kind: 'or', at: token.at, text: key };
    filters.without.push({ key, value: null });
    return null;
  }
  if (op !== '=') return { kind: 'compare', at: token.valueAt - op.length, text: key + op + value };
  return takeOut(filters, token);
}

/** Leaves out a tag with a value; services, names and durations can't be left out. */
function takeOut(filters: Filters, token: Token): LineError | null {
  const { key, op, value } = token;
  if (key === '' || isCompare(token)) return { kind: 'empty', at: token.at, text: op + value };
  if (isMissing(token)) return { kind: 'empty', at: token.valueAt, text: key + op };
  if (!token.quoted && (OWN.test(key) || isName(key))) {
    return { kind: 'compare', at: token.valueAt - op.length, text: key + op + value };
  }
  filters.without.push({ key, value });
  return null;
}

/** Takes a tag unless a search can't; one that is there already is there once. */
function takeTerm(filters: Filters, token: Token, check: Check): LineError | null {
  const term: Term = { key: token.key, value: token.op === '' ? null : token.value };
  const kind = check(filters.terms, term);
  if (kind) return { kind, at: token.at, text: token.key };
  filters.terms = withTerm(filters.terms, term);
  return null;
}

function take(filters: Filters, token: Token, check: Check): LineError | null {
  const { key, op, value } = token;
  // In quotes a key is no word of the line.
  const low = token.quoted ? '' : key.toLowerCase();
  const wrong = (kind: LineErrorKind, at = token.at) => ({ kind, at, text: key + op + value });
  if (op === '' && low === 'and') return null;
  if (op === '' && low === 'or') return wrong('or');
  if (low === 'duration' || low === 'traceduration') {
    return takeDuration(filters, token, low === 'traceduration');
  }
  if (op === '') {
    return isCompare(token) ? wrong('empty') : takeTerm(filters, token, check);
  }
  if (op === '!=') return takeOut(filters, token);
  if (op !== '=') return wrong('compare', token.valueAt - op.length);
  if (key === '' || isCompare(token)) return wrong('empty');
  const [root, name] = [ROOTS.get(low), NAMES.get(low)];
  // Quotes with nothing in them are a value, of a tag or of a root.
  const isNone = name || low === 'call' ? value === '' : isMissing(token);
  if (isNone) return wrong('empty', token.valueAt);
  if (root && filters[root] !== null && filters[root] !== value.toLowerCase()) return wrong('twice');
  if (root) {
    filters[root] = value.toLowerCase();
    return null;
  }
  // A search takes one of each; a second one must not take the place of the first unseen.
  if (name && filters[name] && filters[name] !== value.toLowerCase()) return wrong('twice');
  if (name) filters[name] = value.toLowerCase();
  else if (low === 'call') return takeCall(filters, token);
  else return takeTerm(filters, token, check);
  return null;
}

/** `call=a->b` are traces with such a call; `call=a-x>b` those where it failed. */
function takeCall(filters: Filters, token: Token): LineError | null {
  const edge = /^(.+?)-(x?)>(.+)$/.exec(token.value);
  if (!edge) return { kind: 'empty', at: token.valueAt, text: token.value };
  if (filters.parent) return { kind: 'twice', at: token.at, text: token.key };
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
  // All of them hold, so of several bounds the narrowest counts.
  const [least, most] = whole ? ['traceMinUs', 'traceMaxUs'] as const : ['minUs', 'maxUs'] as const;
  if (min !== null) filters[least] = Math.max(1, min, filters[least] ?? 1);
  if (max !== null) filters[most] = Math.max(1, Math.min(max, filters[most] ?? max));
  const isCrossed = (filters[least] ?? 0) > (filters[most] ?? Infinity);
  return isCrossed ? { kind: 'crossed', at: token.at, text: token.key } : null;
}

function inQuotes(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** Returns a value as a line has it: in quotes where it must be. */
export function quoted(text: string): string {
  return text !== '' && !/[\s"]/.test(text) ? text : inQuotes(text);
}

/** Whether a key names something of a trace rather than a tag. */
function isName(key: string): boolean {
  return NAMES.has(key.toLowerCase()) || ROOTS.has(key.toLowerCase());
}

/** Returns a tag's key as a line has it. */
export function quotedKey(key: string): string {
  const strange = /[\s"=<>!]/.test(key) || OWN.test(key) || isName(key);
  return strange ? inQuotes(key) : key;
}

function keyed(term: Term, not = false): string {
  const key = quotedKey(term.key);
  if (term.value === null) return not ? `not ${key}` : key;
  return `${key}${not ? '!=' : '='}${quoted(term.value)}`;
}

/** Writes the line of filters. */
export function lineOf(filters: Filters): string {
  const parts: string[] = [];
  if (filters.service) parts.push(`service=${quoted(filters.service)}`);
  if (filters.operation) parts.push(`operation=${quoted(filters.operation)}`);
  if (filters.remote) parts.push(`remote=${quoted(filters.remote)}`);
  for (const term of filters.terms) parts.push(keyed(term));
  for (const term of filters.without) parts.push(keyed(term, true));
  const lengths: [string, number | null, boolean][] = [
    ['duration', filters.minUs, true], ['duration', filters.maxUs, false],
    ['traceDuration', filters.traceMinUs, true], ['traceDuration', filters.traceMaxUs, false],
  ];
  for (const [word, us, isLeast] of lengths) {
    if (us === null) continue;
    const { op, length } = boundText(us, isLeast);
    parts.push(word + op + length);
  }
  if (filters.rootService !== null) parts.push(`rootService=${quoted(filters.rootService)}`);
  if (filters.rootOperation !== null) parts.push(`rootOperation=${quoted(filters.rootOperation)}`);
  if (filters.parent) {
    const arrow = filters.edgeErrors ? '-x>' : '->';
    parts.push(`call=${quoted(filters.parent + arrow + filters.child)}`);
  }
  return parts.join(' ');
}

/** Returns the same terms with one more; a value asks for its key too, and takes its place. */
export function withTerm(terms: Term[], term: Term): Term[] {
  const same = terms.filter(({ key }) => key === term.key);
  const isThere = same.some(({ value }) => term.value === null || value === term.value);
  if (isThere) return terms;
  const bare = same.find(({ value }) => value === null);
  return bare ? terms.map((one) => (one === bare ? term : one)) : [...terms, term];
}
