//! What a person chose for this browser: theme, language, time zone. Not what a page shows, which
//! lives in its address.

import { effect, signal, type Signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
export type Language = 'en' | 'zh';

const PREFIX = 'speargun.';

function read(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    // Storage is refused in some embeddings; the page works without a memory.
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // See read.
  }
}

function kept<T extends string>(name: string, known: (text: string | null) => T): Signal<T> {
  const state = signal(known(read(name)));
  let first = true;
  effect(() => {
    const value = state.value;
    if (!first) write(name, value);
    first = false;
  });
  return state;
}

/** Returns the language that a browser's list asks for. */
export function preferredLanguage(list: readonly string[]): Language {
  for (const tag of list) {
    const primary = tag.toLowerCase().split('-')[0];
    if (primary === 'zh') return 'zh';
    if (primary === 'en') return 'en';
  }
  return 'en';
}

/** Light, dark, or what the system says. */
export const theme = kept<Theme>('theme', (text) =>
  text === 'light' || text === 'dark' ? text : 'auto',
);

/** The language of all words. */
export const language = kept<Language>('language', (text) =>
  text === 'en' || text === 'zh' ? text : preferredLanguage(navigator.languages),
);

/** An IANA name, or `local`. */
export const zone = kept<string>('zone', (text) => text ?? 'local');

/** Whether times within a trace are absolute rather than since its start. */
export const clock = kept<'relative' | 'absolute'>('clock', (text) =>
  text === 'absolute' ? 'absolute' : 'relative',
);

/** Whether single letters are shortcuts (WCAG 2.1.4 wants a way to turn them off). */
export const letters = kept<'on' | 'off'>('letters', (text) => (text === 'off' ? 'off' : 'on'));

const systemDark = signal(false);

/** Whether the page is dark right now. */
export function isDark(): boolean {
  return theme.value === 'auto' ? systemDark.value : theme.value === 'dark';
}

/** Follows the system's theme and marks the document with the chosen one. */
export function startTheme(): void {
  const query = matchMedia('(prefers-color-scheme: dark)');
  systemDark.value = query.matches;
  query.addEventListener('change', (event) => {
    systemDark.value = event.matches;
  });
  effect(() => {
    const root = document.documentElement;
    if (theme.value === 'auto') root.removeAttribute('data-theme');
    else root.setAttribute('data-theme', theme.value);
  });
}
