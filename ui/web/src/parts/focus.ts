//! Where the focus goes when what had it is gone: never to the body, where keys begin anew.

import { useEffect, useRef } from 'preact/hooks';

/** Whether nothing that one could see has the focus. */
export function isLost(): boolean {
  const { activeElement } = document;
  return !activeElement || activeElement === document.body || activeElement.id === 'main';
}

/** Gives a lost focus to the tree, else to the page's heading, else to all of the page. */
export function focusPage(): void {
  if (!isLost()) return;
  const main = document.getElementById('main');
  const find = (name: string) => main?.querySelector<HTMLElement>(name);
  const target = find('[role=treegrid]') ?? find('h1') ?? main;
  if (!target) return;
  if (!target.hasAttribute('tabindex')) target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

/** Calls something after what is shown has changed, not when it is first there. */
export function useChange(what: unknown, run: () => void): void {
  const before = useRef(what);
  useEffect(() => {
    if (before.current === what) return;
    before.current = what;
    run();
  }, [what]);
}
