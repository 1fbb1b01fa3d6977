//! The waterfall's rows as elements: a few dozen that are filled anew as one scrolls, each a row of
//! an ARIA treegrid with all that its bar shows, in words.

import { count, duration } from '../core/format';
import { t } from '../core/i18n';
import {
  CYCLE, FAILED, idText, nameOf, NO_DURATION, NO_TIME, PLACEHOLDER, serviceOf, SKEWED,
  type Columns,
} from './model';
import { failedWithin, runEnd, runSums, type Rows } from './rows';

export const ROW_PX = 26;
const INDENTS_MAX = 18;

/** What rows show besides the trace itself. */
export interface Looks {
  columns: Columns;
  rows: Rows;
  colors: string[];
  slots: Uint8Array;
  selected: number;
  match: Uint8Array | null;
  on: Uint8Array | null;
  closed: ReadonlySet<number>;
  open: ReadonlySet<number>;
}

interface Row {
  element: HTMLDivElement;
  tree: HTMLDivElement;
  twisty: HTMLSpanElement;
  swatch: HTMLSpanElement;
  service: HTMLElement;
  name: HTMLSpanElement;
  badge: HTMLSpanElement;
  facts: HTMLDivElement;
  /** The row it shows, or -1. */
  shown: number;
  color: string;
  /** Of what its words were made. */
  stamp: number;
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, className: string, role?: string,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  if (role) element.setAttribute('role', role);
  return element;
}

function newRow(): Row {
  const element = make('div', 'wf-row', 'row');
  const tree = make('div', 'wf-tree', 'gridcell');
  const twisty = make('span', 'wf-twisty');
  twisty.setAttribute('aria-hidden', 'true');
  const swatch = make('span', 'wf-swatch');
  const service = make('b', 'wf-service');
  const name = make('span', 'wf-name');
  const label = make('span', 'wf-label');
  label.append(service, ' ', name);
  const badge = make('span', 'wf-badge');
  const facts = make('div', 'wf-facts', 'gridcell');
  tree.append(twisty, swatch, label, badge);
  element.append(tree, facts);
  return { element, tree, twisty, swatch, service, name, badge, facts, color: '', shown: -1, stamp: -1 };
}

/** The pool. */
export class RowPool {
  private pool: Row[] = [];
  private base = 0;

  constructor(private readonly grid: HTMLElement) {}

  /** Shows rows from `first` on; `stamp` changes whenever what they show may have. */
  show(looks: Looks, first: number, size: number, stamp: number): void {
    const { rows } = looks;
    const wanted = Math.min(size, rows.count);
    while (this.pool.length < wanted) {
      const row = newRow();
      this.pool.push(row);
      this.grid.append(row.element);
    }
    while (this.pool.length > wanted) this.pool.pop()?.element.remove();
    // Rows stand still relative to a base that rarely moves, so that scrolling writes few of them.
    const base = Math.floor(first / 1000) * 1000;
    const moved = base !== this.base;
    this.base = base;
    for (let k = 0; k < wanted; k += 1) {
      const at = first + k;
      const row = this.pool[at % wanted];
      if (at >= rows.count) {
        if (row.shown !== -1) row.element.hidden = true;
        row.shown = -1;
        continue;
      }
      if (row.shown !== at || moved) {
        row.element.style.transform = `translateY(${(at - base) * ROW_PX}px)`;
      }
      if (row.shown === at && row.stamp === stamp) continue;
      row.element.hidden = false;
      row.shown = at;
      row.stamp = stamp;
      fill(row, looks, at);
    }
  }

  /** Moves all rows, by pixels from the top of the first row of all. */
  scroll(pixels: number): void {
    this.grid.style.transform = `translateY(${this.base * ROW_PX - pixels}px)`;
  }

  clear(): void {
    for (const row of this.pool) row.element.remove();
    this.pool = [];
  }
}

/** Writes an attribute only when it changes: a browser works for writes that change nothing. */
function put(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function putText(element: Element, text: string): void {
  const node = element.firstChild as Text | null;
  if (!node) element.append(text);
  else if (node.data !== text) node.data = text;
}

export function rowElementId(at: number): string {
  return `row-${at}`;
}

function fill(row: Row, looks: Looks, at: number): void {
  const { columns, rows, colors, slots } = looks;
  const index = rows.span[at];
  const run = rows.run[at];
  const flags = columns.flags[index];
  const { element } = row;
  const parts = ['wf-row'];
  // A folded run is selected by its first member, which has no row of its own.
  const isSelected = index === looks.selected && (run === 0 || !looks.open.has(index));
  if (isSelected) parts.push('selected');
  if (flags & FAILED && run === 0) parts.push('failed');
  if (flags & PLACEHOLDER) parts.push('placeholder');
  if (looks.match?.[index]) parts.push('match');
  else if (looks.match) parts.push('no-match');
  if (looks.on?.[index] && run === 0) parts.push('critical');
  if (run > 0) parts.push('run');
  put(element, 'class', parts.join(' '));
  element.id = rowElementId(at);
  element.dataset.span = run > 0 ? '' : idText(columns, index);
  const branch = run > 0 || columns.end[index] > index + 1;
  const isOpen = run > 0 ? looks.open.has(index) : !looks.closed.has(index);
  put(element, 'aria-level', String(rows.level[at] + 1));
  element.setAttribute('aria-rowindex', String(at + 1));
  put(element, 'aria-selected', String(isSelected));
  if (branch) put(element, 'aria-expanded', String(isOpen));
  else element.removeAttribute('aria-expanded');
  put(row.twisty, 'class', branch ? `wf-twisty ${isOpen ? 'open' : 'shut'}` : 'wf-twisty');
  row.tree.style.setProperty('--level', String(Math.min(rows.level[at], INDENTS_MAX)));
  const color = flags & PLACEHOLDER ? '' : colors[slots[columns.service[index]]];
  if (row.color !== color) row.swatch.style.background = row.color = color;
  putText(row.service, flags & PLACEHOLDER
    ? t('trace.missing') : serviceOf(columns, index) || t('trace.noService'));
  putText(row.name, flags & PLACEHOLDER
    ? idText(columns, index) : nameOf(columns, index) || t('trace.unnamed'));
  putText(row.badge, badgeOf(looks, at, branch && !isOpen));
  // A label, not a text: what nobody sees need not be laid out.
  row.facts.setAttribute('aria-label', factsOf(columns, index, run));
}

function badgeOf(looks: Looks, at: number, shut: boolean): string {
  const { columns, rows } = looks;
  const index = rows.span[at];
  const run = rows.run[at];
  const failed = (from: number, to: number) => {
    const sum = failedWithin(columns, from, to);
    return sum > 0 ? [`⚠${count(sum)}`] : [];
  };
  if (run > 0) {
    const isOpen = looks.open.has(index);
    return [`×${count(run)}`, ...(isOpen ? [] : failed(index, runEnd(columns, index)))].join(' ');
  }
  const marks: string[] = [];
  if (columns.flags[index] & FAILED) marks.push('⚠');
  if (columns.flags[index] & SKEWED) marks.push('⇄');
  if (shut) marks.push(`+${count(columns.end[index] - index - 1)}`);
  if (shut) marks.push(...failed(index + 1, columns.end[index]));
  return marks.join(' ');
}

/** What the bar shows, for those who do not see it. */
function factsOf(columns: Columns, index: number, run: number): string {
  if (run > 0) {
    const { total, max } = runSums(columns, index);
    return t('trace.runFacts', {
      count: count(run), avg: duration(total / run), max: duration(max), total: duration(total),
    });
  }
  const flags = columns.flags[index];
  const facts = [t('trace.facts', {
    start: duration(columns.start[index]),
    duration: flags & NO_DURATION ? t('trace.unfinished') : duration(columns.dur[index]),
  })];
  if (flags & FAILED) facts.push(t('word.error'));
  if (flags & SKEWED) facts.push(t('trace.skewed'));
  if (flags & NO_TIME) facts.push(t('trace.noTime'));
  if (flags & CYCLE) facts.push(t('trace.cycle'));
  return facts.join(', ');
}
