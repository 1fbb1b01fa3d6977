//! Layouts of the graph of services, as a thread makes them: which one is there to be drawn, while
//! the next one is being made. How it is drawn is in view.tsx.

import { useEffect, useState } from 'preact/hooks';
import { basePath } from '../core/route';
import type { LayoutAnswer, LayoutAsk } from './layout.worker';
import type { Link } from './links';

declare const WORKER_LAYOUT: string;

export const NODE_HEIGHT = 44;

/** A layout with the links and widths that it is of: no others can be drawn with it. */
interface Drawn {
  layout: LayoutAnswer;
  links: Link[];
  widths: Map<string, number>;
}

interface Layout {
  /** The last one that was made; until the next one is there it stays. */
  drawn: Drawn | null;
  failed: boolean;
  again: () => void;
}

/** Has links laid out, again whenever they or the widths of services change. */
export function useLayout(links: Link[], widths: Map<string, number>): Layout {
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  const [failed, setFailed] = useState(false);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setFailed(false);
    if (widths.size === 0) return setDrawn(null);
    const worker = new Worker(basePath + WORKER_LAYOUT, { type: 'module' });
    worker.addEventListener('message', (event: MessageEvent<LayoutAnswer>) => {
      setDrawn({ layout: event.data, links, widths });
      worker.terminate();
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      setFailed(true);
    });
    const ask: LayoutAsk = {
      id: 1,
      nodes: [...widths].map(([id, width]) => ({ id, width, height: NODE_HEIGHT })),
      edges: links.map((link) => ({ from: link.parent, to: link.child })),
    };
    worker.postMessage(ask);
    return () => worker.terminate();
  }, [links, widths, round]);
  return { drawn, failed, again: () => setRound(round + 1) };
}
