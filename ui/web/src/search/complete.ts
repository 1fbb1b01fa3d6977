//! What could stand at the caret of the query line: keys, then their values as the server saw them.

import { shownWindow } from './state';
import { names, type Name, type NamesOf } from './source';
import { quoted, quotedKey, tokens, type Token } from './line';

export interface Completion {
  names: Name[];
  /** Returns the line with a name put in, and where the caret goes. */
  apply: (name: string) => { line: string; caret: number; more: boolean };
}

/** Keys of the line itself; tag keys follow them. */
const KEYS = ['service=', 'operation=', 'remote=', 'duration>=', 'traceDuration>=', 'error'];

const SOURCES = new Map<string, NamesOf>([
  ['service', 'services'], ['servicename', 'services'], ['svc', 'services'],
  ['operation', 'operations'], ['spanname', 'operations'], ['name', 'operations'],
  ['op', 'operations'],
  ['remote', 'remotes'], ['remoteservice', 'remotes'], ['remoteservicename', 'remotes'],
]);
const LENGTHS = ['10ms', '50ms', '100ms', '300ms', '500ms', '1s', '5s'];

function tokenAt(line: string, caret: number): { token: Token | null; service: string } {
  const cut = tokens(line);
  if (!Array.isArray(cut)) {
    // The quote that is being typed: what stands before it is enough.
    const head = line.slice(0, cut.at);
    const before = tokens(head.replace(/[=<>!]+$/, ''));
    if (!Array.isArray(before)) return { token: null, service: '' };
    const service = serviceOf(before);
    const text = line.slice(cut.at + 1, caret).replace(/\\(.)/g, '$1');
    const end = line.length;
    const key = /[=<>!]$/.test(head) ? before[before.length - 1] : undefined;
    // No comparison before it: the quote begins a key.
    const token: Token = key ? { ...key, op: '=', value: text, valueAt: cut.at, end }
      : { at: cut.at, end, key: text, quoted: true, op: '', value: '', valueAt: end };
    return { token, service };
  }
  const token = cut.find((one) => one.at <= caret && caret <= one.end) ?? null;
  return { token, service: serviceOf(cut) };
}

function serviceOf(cut: Token[]): string {
  return cut.find((one) => SOURCES.get(one.key.toLowerCase()) === 'services')?.value ?? '';
}

/** Returns what could stand at the caret. */
export async function complete(
  line: string,
  caret: number,
  signal: AbortSignal,
): Promise<Completion> {
  const { token, service } = tokenAt(line, caret);
  if (token?.op && caret >= token.valueAt) return values(line, token, service, signal);
  return keys(line, token ?? { at: caret, end: caret, key: '' }, service, signal);
}

async function keys(
  line: string,
  token: Pick<Token, 'at' | 'end' | 'key'>,
  service: string,
  signal: AbortSignal,
): Promise<Completion> {
  const low = token.key.toLowerCase();
  const own = KEYS.filter((key) => key.toLowerCase().includes(low)).map((key): Name => [key, null]);
  const seen = await asked({ of: 'keys', service, contains: token.key }, signal);
  const tags = seen.filter(([key]) => key !== 'error' && !key.includes('='))
    .map(([key, n]): Name => [`${quotedKey(key)}=`, n]);
  return {
    names: [...own, ...tags].slice(0, 40),
    apply: (name) => put(line, token.at, token.end, name, !/[=>]$/.test(name)),
  };
}

async function values(
  line: string,
  token: Token,
  service: string,
  signal: AbortSignal,
): Promise<Completion> {
  const key = token.key.toLowerCase();
  const apply = (name: string) => put(line, token.valueAt, token.end, quoted(name), true);
  if (key === 'duration' || key === 'traceduration') {
    const fits = LENGTHS.filter((text) => text.startsWith(token.value));
    return { names: fits.map((text): Name => [text, null]), apply };
  }
  // Without a key there is nothing to ask for, which the server would say.
  if (key === '') return { names: [], apply };
  const of = SOURCES.get(key);
  const contains = token.value;
  const found = of
    ? await asked({ of, service: of === 'services' ? '' : service, contains }, signal)
    : await asked({ of: 'values', key: token.key, service, contains }, signal);
  // An empty value can't be searched for.
  return { names: of ? found : found.filter(([name]) => name !== ''), apply };
}

function asked(
  what: { of: NamesOf; service: string; contains: string; key?: string },
  signal: AbortSignal,
): Promise<Name[]> {
  const { startMs, endMs } = shownWindow();
  const window = endMs > startMs ? { endMs: Math.ceil(endMs), lookbackMs: endMs - startMs } : {};
  return names({ ...what, ...window }, signal);
}

function put(line: string, from: number, to: number, text: string, whole: boolean) {
  const rest = line.slice(to);
  const gap = whole && !rest.startsWith(' ') ? ' ' : '';
  const caret = from + text.length + (whole ? 1 : 0);
  return { line: line.slice(0, from) + text + gap + rest, caret, more: !whole };
}
