//! The thread that fetches, reads and orders a trace, and keeps its spans: the page itself gets the
//! columns alone, and asks for single spans.

import { build } from './build';
import { find } from './find';
import { buffersOf, type Columns, type Span } from './model';
import { read } from './read';

export type Ask =
  | { ask: 'fetch'; id: number; url: string; raw: boolean }
  | { ask: 'text'; id: number; text: string; raw: boolean }
  | { ask: 'rebuild'; id: number; raw: boolean }
  | { ask: 'span'; id: number; index: number }
  | { ask: 'find'; id: number; text: string }
  | { ask: 'events'; id: number }
  | { ask: 'json'; id: number };

export interface Event {
  index: number;
  at: number;
  value: string;
}

export type Answer =
  | { id: number; columns: Columns }
  | { id: number; span: Span | null }
  | { id: number; match: Uint8Array }
  | { id: number; events: Event[]; more: number }
  | { id: number; json: string }
  | { id: number; failed: { status: number; said: string } };

const EVENTS_MAX = 5000;
let input: Span[] = [];
let spans: Span[] = [];
let columns: Columns | null = null;

const post = (answer: Answer, transfer: Transferable[] = []) =>
  (postMessage as (message: unknown, transfer: Transferable[]) => void)(answer, transfer);

function rebuilt(id: number, raw: boolean): void {
  const built = build(input, raw);
  spans = built.spans;
  columns = built.columns;
  // The worker keeps a copy: it needs the columns to find spans.
  const copy = structuredClone(columns);
  post({ id, columns: copy }, buffersOf(copy));
}

async function fetched(id: number, url: string, raw: boolean): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    return post({ id, failed: { status: 0, said: '' } });
  }
  const text = await response.text().catch(() => null);
  if (text === null) return post({ id, failed: { status: 0, said: 'cut' } });
  if (!response.ok) {
    return post({ id, failed: { status: response.status, said: text.slice(0, 10_000) } });
  }
  take(id, text, raw);
}

function take(id: number, text: string, raw: boolean): void {
  try {
    input = read(text);
  } catch (error) {
    const said = error instanceof SyntaxError ? 'cut' : String(error);
    return post({ id, failed: { status: 0, said } });
  }
  rebuilt(id, raw);
}

function events(id: number): void {
  const found: Event[] = [];
  let more = 0;
  if (!columns) return post({ id, events: found, more });
  for (let i = 0; i < columns.count; i += 1) {
    const list = columns.source[i] < 0 ? [] : (spans[columns.source[i]].annotations ?? []);
    list.forEach((one, k) => {
      if (!columns) return;
      if (found.length >= EVENTS_MAX) more += 1;
      else found.push({ index: i, at: columns.annAt[columns.annFrom[i] + k], value: one.value });
    });
  }
  found.sort((a, b) => a.at - b.at);
  post({ id, events: found, more });
}

addEventListener('message', (event: MessageEvent<Ask>) => {
  const ask = event.data;
  const { id } = ask;
  switch (ask.ask) {
    case 'fetch':
      void fetched(id, ask.url, ask.raw);
      break;
    case 'text':
      take(id, ask.text, ask.raw);
      break;
    case 'rebuild':
      rebuilt(id, ask.raw);
      break;
    case 'span': {
      const source = columns?.source[ask.index] ?? -1;
      post({ id, span: source < 0 ? null : spans[source] });
      break;
    }
    case 'find':
      post({ id, match: columns ? find(columns, spans, ask.text) : new Uint8Array(0) });
      break;
    case 'events':
      events(id);
      break;
    case 'json':
      post({ id, json: JSON.stringify(input, null, 2) });
      break;
  }
});
