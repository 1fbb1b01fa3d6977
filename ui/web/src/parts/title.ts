//! The title of the browser's tab, in the language that is chosen.

import { useEffect } from 'preact/hooks';

/** Keeps the title of a page; an empty one leaves it to another part of the page. */
export function useTitle(title: string): void {
  useEffect(() => {
    if (title) document.title = title;
  }, [title]);
}
