//! The keyboard: which key does what, where. Pages register their own; letters rest while a field
//! has the focus, and can be turned off.

import { letters } from './prefs';
import { go } from './route';
import type { Key } from './i18n';

export interface Shortcut {
  /** As `event.key`, with `shift+` or `mod+` in front, or two letters one after the other: `g s`. */
  key: string;
  text: Key;
  run: () => void;
}

export interface ShortcutGroup {
  title: Key;
  list: Shortcut[];
  /** Only listed by the help: what has the focus takes these keys itself. */
  isLocal?: boolean;
}

/** Does nothing: stands for what the focused part does with a key. */
export const atFocus = (): void => undefined;

const groups: ShortcutGroup[] = [];
let pending = '';
let pendingTimer = 0;
const PENDING_MS = 1000;

/** Adds shortcuts; what is returned takes them away again. */
export function addShortcuts(group: ShortcutGroup): () => void {
  groups.push(group);
  return () => {
    groups.splice(groups.indexOf(group), 1);
  };
}

/** Returns all shortcuts in force, for the help and the palette. */
export function shortcuts(): readonly ShortcutGroup[] {
  return groups;
}

/** Moves the focus to the field that takes a query or a trace id. */
export function focusOmnibox(): void {
  const field = document.querySelector<HTMLInputElement>('[data-omnibox]');
  field?.focus();
  field?.select();
}

function inField(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return !!target?.closest?.('input, textarea, select, [contenteditable], dialog');
}

function nameOf(event: KeyboardEvent): string {
  if (event.ctrlKey || event.metaKey) return `mod+${event.key.toLowerCase()}`;
  if (event.shiftKey && /^[a-z]$/i.test(event.key)) return `shift+${event.key.toLowerCase()}`;
  return event.key;
}

/** Whether a key is one character, large or small: those are what can be turned off. */
function isSingle(key: string): boolean {
  return [...key.replace(/^shift\+/, '')].length === 1;
}

function find(key: string): Shortcut | undefined {
  // Later groups are of the page that is open, so they win.
  for (let i = groups.length - 1; i >= 0; i -= 1) {
    if (groups[i].isLocal) continue;
    const found = groups[i].list.find((one) => one.key === key);
    if (found) return found;
  }
  return undefined;
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey) return;
  const key = nameOf(event);
  const always = key.startsWith('mod+');
  if (!always && (inField(event) || (letters.value === 'off' && isSingle(key)))) return;
  const chord = pending ? `${pending} ${key}` : key;
  clearTimeout(pendingTimer);
  pending = '';
  const found = find(chord);
  if (found) {
    event.preventDefault();
    found.run();
    return;
  }
  const begins = groups.some((group) =>
    !group.isLocal && group.list.some((one) => one.key.startsWith(`${key} `)));
  if (!begins || always) return;
  pending = key;
  pendingTimer = setTimeout(() => {
    pending = '';
  }, PENDING_MS);
}

/** Listens, from now on. */
export function startKeys(): void {
  document.addEventListener('keydown', onKey);
  addShortcuts({
    title: 'keys.global',
    list: [
      { key: '/', text: 'keys.omnibox', run: focusOmnibox },
      { key: 'g s', text: 'nav.search', run: () => go('') },
      { key: 'g m', text: 'nav.dependency', run: () => go('dependency') },
      { key: 'g t', text: 'nav.status', run: () => go('status') },
      { key: 'g u', text: 'nav.upload', run: () => go('traceViewer') },
    ],
  });
}
