//! The keys of the trace page.

import type { Shortcut } from '../core/keys';
import { copy } from '../parts/toast';
import { halfText } from './model';
import {
  closeBelow, columns, detailShown, failed, findText, fold, foldLevel, matches, root, runFind,
  select, selected, showCritical, step, tab, TABS,
} from './state';
import { pan, setRoot, zoomAll, zoomBy, zoomTime } from './zoom';
import { stepRows } from './view';

/** Folds one level more (-1) or less (1) than what was last chosen for all. */
function foldBy(way: 1 | -1): void {
  // Spans at the last level have nothing to fold.
  const deepest = (columns.peek()?.notes.depth ?? 0) - 1;
  const level = (foldLevel.peek() ?? deepest) + way;
  closeBelow(level >= deepest ? null : Math.max(1, level));
}

function sibling(way: 1 | -1): void {
  const all = columns.peek();
  const at = selected.peek();
  if (!all || at < 0) return;
  const up = all.parent[at];
  if (way === 1) {
    const next = all.end[at];
    if (next < (up < 0 ? all.count : all.end[up])) select(next);
    return;
  }
  let before = -1;
  for (let c = up < 0 ? 0 : up + 1; c < at; c = all.end[c]) before = c;
  if (before >= 0) select(before);
}

function fit(): void {
  const all = columns.peek();
  const at = selected.peek();
  if (!all || at < 0) return;
  const margin = Math.max(1, all.dur[at] * 0.05);
  zoomTime(all.start[at] - margin, all.start[at] + all.dur[at] + margin);
}

function escape(): void {
  if (detailShown.peek()) detailShown.value = false;
  else if (findText.peek()) {
    findText.value = '';
    void runFind();
  } else if (root.peek() !== null) setRoot(null);
  else zoomAll();
}

/** Returns the trace page's shortcuts. */
export function traceShortcuts(refresh?: () => void): Shortcut[] {
  const onSpan = (run: (at: number) => void) => () => {
    if (selected.peek() >= 0) run(selected.peek());
  };
  const all = () => columns.peek();
  const tabs = TABS.map((name, index): Shortcut => ({
    key: String(index + 1), text: `tab.${name}`, run: () => (tab.value = name),
  }));
  return [
    { key: 'j', text: 'keys.down', run: () => stepRows(1) },
    { key: 'k', text: 'keys.up', run: () => stepRows(-1) },
    { key: 'w', text: 'keys.zoomIn', run: () => zoomBy(0.7) },
    { key: 's', text: 'keys.zoomOut', run: () => zoomBy(1 / 0.7) },
    { key: 'a', text: 'keys.panLeft', run: () => pan(-0.2) },
    { key: 'd', text: 'keys.panRight', run: () => pan(0.2) },
    { key: 'f', text: 'keys.fit', run: fit },
    { key: '0', text: 'keys.fitAll', run: zoomAll },
    { key: 'n', text: 'keys.nextMatch', run: () => step(matches.peek(), 1) },
    { key: 'shift+n', text: 'keys.previousMatch', run: () => step(matches.peek(), -1) },
    { key: 'e', text: 'keys.nextError', run: () => step(failed.peek(), 1) },
    { key: 'shift+e', text: 'keys.previousError', run: () => step(failed.peek(), -1) },
    { key: '.', text: 'keys.nextSibling', run: () => sibling(1) },
    { key: ',', text: 'keys.previousSibling', run: () => sibling(-1) },
    { key: 'u', text: 'keys.parent', run: onSpan((at) => select(all()?.parent[at] ?? -1)) },
    { key: '[', text: 'keys.openAll', run: () => closeBelow(null) },
    { key: ']', text: 'keys.closeAll', run: () => closeBelow(1) },
    { key: '+', text: 'keys.openLevel', run: () => foldBy(1) },
    { key: '-', text: 'keys.closeLevel', run: () => foldBy(-1) },
    { key: 'h', text: 'tool.fold', run: () => (fold.value = !fold.peek()) },
    { key: 'b', text: 'keys.root', run: onSpan((at) => setRoot(at)) },
    { key: 'shift+b', text: 'keys.rootBack', run: () => setRoot(null) },
    { key: 'l', text: 'tool.critical', run: () => (showCritical.value = !showCritical.peek()) },
    ...tabs,
    { key: 'y', text: 'keys.copyLink', run: onSpan((at) => copyLink(at)) },
    {
      key: 'shift+y', text: 'trace.copyId',
      run: () => void copy(all()?.traceId ?? '', 'Trace ID'),
    },
    { key: '\\', text: 'keys.find', run: () => document.getElementById('find')?.focus() },
    { key: 'Escape', text: 'keys.escape', run: escape },
    ...(refresh ? [{ key: 'r', text: 'refresh', run: refresh } as Shortcut] : []),
  ];
}

/** Copies the address that shows a span. */
export function copyLink(index: number): void {
  const all = columns.peek();
  if (!all) return;
  const url = new URL(window.location.href);
  url.searchParams.set('spanId', halfText(all, index));
  void copy(url.href);
}
