//! Whether spans of an open trace may still come, so that they are asked for.

/** Spans of a trace that ended less than this ago may still come. */
const FRESH_MS = 30_000;

/**
 * Whether spans may still come to a trace that ends then, and was last seen to change at that time.
 * One whose end lies ahead, by its clocks, is looked after as long as it changes.
 */
export function mayGrow(endMs: number, changedMs: number, nowMs: number): boolean {
  return nowMs - Math.min(endMs, changedMs) <= FRESH_MS;
}

/** Runs something once, after a while, and not while nobody looks; returns what prevents it. */
export function whenSeen(afterMs: number, run: () => void): () => void {
  const look = () => {
    if (document.hidden) return;
    stop();
    run();
  };
  const stop = () => document.removeEventListener('visibilitychange', look);
  const timer = setTimeout(() => {
    document.addEventListener('visibilitychange', look);
    look();
  }, afterMs);
  return () => {
    clearTimeout(timer);
    stop();
  };
}
