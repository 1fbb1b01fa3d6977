//! The keys of the trace page.

import type { Shortcut } from '../core/keys';
import { copy } from '../parts/toast';
import { idText } from './model';
import {
  closeBelow, columns, detailShown, failed, findText, fold, matches, pan, root, runFind, select,
  selected, setRoot, showCritical, step, tab, TABS, zoomAll, zoomBy, zoomTo,
} from './state';
import { stepRows } from './view';

/** How deep one level more or less is, counted from what was last chosen. */
let level = 1;

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
  zoomTo(all.start[at] - margin, all.start[at] + all.dur[at] + margin);
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
    { key: '[', text: 'keys.openAll', run: () => closeBelow(-1) },
    { key: ']', text: 'keys.closeAll', run: () => closeBelow((level = 1)) },
    { key: '+', text: 'keys.openLevel', run: () => closeBelow((level += 1)) },
    { key: '-', text: 'keys.closeLevel', run: () => closeBelow((level = Math.max(1, level - 1))) },
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
  url.searchParams.set('spanId', idText(all, index));
  void copy(url.href);
}
