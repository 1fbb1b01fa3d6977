//! The address as state: which page, with which parameters. Every view has an address, and this is
//! the only file that touches the browser's history.

import { signal } from '@preact/signals';

export interface Place {
  /** Below the base, without a leading slash: `traces/5af7183fb1d4cf5f`. */
  path: string;
  params: URLSearchParams;
  /** Without the mark. */
  hash: string;
  /** The path that the browser's way back (or forth) led here from; null on any other way. */
  backFrom: string | null;
}

/** The path of the page's base, with a slash at its end. */
export const basePath = new URL(document.baseURI).pathname;

let searched: URLSearchParams | null = null;

/** Returns the parameters of the last search that was looked at, when there was one. */
export function lastSearch(): URLSearchParams | null {
  return searched && new URLSearchParams(searched);
}

/** Entries of the history whose scroll position is remembered, the last ones. */
const ENTRIES_MAX = 50;
const scrolled = new Map<string, number>();

function entry(): string {
  return (history.state as { entry?: string } | null)?.entry ?? '';
}

function newEntry(): { entry: string } {
  return { entry: Math.random().toString(36).slice(2) };
}

/** Returns how far down the page was when this entry of the history was left. */
export function scrolledTo(): number {
  return scrolled.get(entry()) ?? 0;
}

function current(backFrom: string | null = null): Place {
  const { pathname, search, hash } = location;
  const below = pathname.startsWith(basePath) ? pathname.slice(basePath.length) : '';
  // A slash at the end means the same page.
  const path = below.replace(/\/+$/, '');
  if (path === '' && search) searched = new URLSearchParams(search);
  return { path, params: new URLSearchParams(search), hash: hash.slice(1), backFrom };
}

/** Where the browser is. */
export const place = signal<Place>(current());

addEventListener('popstate', () => {
  place.value = current(place.peek().path);
});

addEventListener('scroll', () => {
  const key = entry();
  scrolled.delete(key);
  scrolled.set(key, scrollY);
  for (const [oldest] of scrolled) if (scrolled.size > ENTRIES_MAX) scrolled.delete(oldest);
}, { passive: true });

/** Whether the page stands in a frame, without its bar. */
export function isEmbedded(): boolean {
  return place.peek().params.get('embed') === '1';
}

/** Returns the address of a place, for links. */
export function address(path: string, params?: URLSearchParams | Record<string, string>): string {
  const all = new URLSearchParams(params);
  // A frame stays one, wherever it leads.
  if (isEmbedded() && !all.has('embed')) all.set('embed', '1');
  const query = all.toString();
  return basePath + path + (query ? `?${query}` : '');
}

/** Goes somewhere, as a link would. */
export function go(path: string, params?: URLSearchParams | Record<string, string>): void {
  history.pushState(newEntry(), '', address(path, params));
  place.value = current();
  scrollTo(0, 0);
}

/** Rewrites the address of where one is; the way back does not stop here. */
export function rewrite(params: URLSearchParams, path = place.value.path): void {
  const next = address(path, params);
  if (next === location.pathname + location.search) return;
  history.replaceState(history.state, '', next);
  place.value = current(place.peek().backFrom);
}

/** Sets or removes parameters in place. */
export function rewriteSome(changes: Record<string, string | null>): void {
  const params = new URLSearchParams(place.value.params);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === '') params.delete(key);
    else params.set(key, value);
  }
  rewrite(params);
}

/** Takes plain clicks on links of this page, so that it is not loaded anew. */
export function takeLinks(): void {
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.hasAttribute('download')) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || !url.pathname.startsWith(basePath)) return;
    if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
    if (url.pathname.startsWith(`${basePath}api/`)) return;
    event.preventDefault();
    go(url.pathname.slice(basePath.length), url.searchParams);
  });
}
