//! Finds spans within a trace: text anywhere, or `key=value`, `key!=value`, `not error`, `service=x`, `duration>10ms`
//! in the form of the search line.

import type { Term } from '../search/criteria';
import { parseFind } from '../search/line';
import { FAILED, idText, nameOf, serviceOf, type Columns, type Span } from './model';

type Test = (index: number, span: Span | undefined) => boolean;

/** Returns a mark per span that matches; none when the text is empty. */
export function find(columns: Columns, spans: Span[], text: string): Uint8Array {
  const match = new Uint8Array(columns.count);
  const tests = testsOf(columns, text);
  if (tests.length === 0) return match;
  for (let i = 0; i < columns.count; i += 1) {
    const span = columns.source[i] < 0 ? undefined : spans[columns.source[i]];
    if (tests.every((test) => test(i, span))) match[i] = 1;
  }
  return match;
}

function testsOf(columns: Columns, text: string): Test[] {
  const needle = text.trim().toLowerCase();
  if (!needle) return [];
  const { filters } = parseFind(text.trim());
  const structured = filters && (filters.service || filters.operation || filters.remote ||
    filters.minUs !== null || filters.maxUs !== null || filters.without.length > 0 ||
    filters.terms.some((term) => term.value !== null || term.key === 'error'));
  if (!filters || !structured) return [anywhere(columns, needle)];
  const tests: Test[] = [];
  const { service, operation, remote, minUs, maxUs } = filters;
  if (service) tests.push((i) => serviceOf(columns, i).toLowerCase() === service);
  if (operation) tests.push((i) => nameOf(columns, i).toLowerCase() === operation);
  if (remote) {
    tests.push((_, span) => span?.remoteEndpoint?.serviceName?.toLowerCase() === remote);
  }
  if (minUs !== null) tests.push((i) => columns.dur[i] >= minUs);
  if (maxUs !== null) tests.push((i) => columns.dur[i] <= maxUs);
  for (const term of filters.terms) tests.push(termTest(columns, term));
  for (const term of filters.without) {
    const has = termTest(columns, term);
    tests.push((i, span) => !has(i, span));
  }
  return tests;
}

function termTest(columns: Columns, { key, value }: Term): Test {
  if (key === 'error' && value === null) return (i) => (columns.flags[i] & FAILED) !== 0;
  if (value === null) return anywhere(columns, key.toLowerCase());
  return (_, span) => span?.tags?.[key] === value;
}

function anywhere(columns: Columns, needle: string): Test {
  const has = (list: string[]) => list.map((word) => word.toLowerCase().includes(needle));
  const [services, names] = [has(columns.services), has(columns.names)];
  const hex = /^[0-9a-f]{1,16}$/.test(needle);
  return (i, span) => {
    if (services[columns.service[i]] || names[columns.name[i]]) return true;
    if (hex && idText(columns, i).includes(needle)) return true;
    if (!span) return false;
    for (const key in span.tags) {
      if (key.toLowerCase().includes(needle)) return true;
      if (span.tags[key].toLowerCase().includes(needle)) return true;
    }
    for (const one of span.annotations ?? []) {
      if (one.value.toLowerCase().includes(needle)) return true;
    }
    return span.remoteEndpoint?.serviceName?.includes(needle) ?? false;
  };
}
