//! Calls between services: what is shown of them, and in which order.

export interface Link {
  parent: string;
  child: string;
  callCount: number;
  errorCount?: number;
}

/** Whether two links are between the same services, as those of a refresh are. */
export function sameEdge(a: Link, b: Link): boolean {
  return a.parent === b.parent && a.child === b.child;
}

export interface Filter {
  /** Only what is at most `depth` calls away from this service. */
  focus: string;
  depth: number;
  minCalls: number;
  errorsOnly: boolean;
}

/**
 * More nodes, or more edges, are no picture any more: a focus is asked for. 649 edges between 43
 * services took their thread 4 s and were twelve screens high.
 */
const NODES_MAX = 300;
const EDGES_MAX = 400;

/** Whether a picture of links could be read. */
export function isPicture(links: Link[], services = servicesOf(links)): boolean {
  return links.length <= EDGES_MAX && services.length <= NODES_MAX;
}

/** Returns the links that a filter leaves. */
export function filtered(links: Link[], filter: Filter): Link[] {
  const kept = links.filter((link) =>
    link.callCount >= filter.minCalls && (!filter.errorsOnly || (link.errorCount ?? 0) > 0));
  if (!filter.focus) return kept;
  const near = around(kept, filter.focus, filter.depth);
  return kept.filter((link) => near.has(link.parent) && near.has(link.child));
}

/** Returns the services at most `depth` calls away, up or down. */
export function around(links: Link[], focus: string, depth: number): Set<string> {
  const seen = new Set([focus]);
  for (const way of ['down', 'up'] as const) {
    let edge = new Set([focus]);
    for (let step = 0; step < depth; step += 1) {
      const next = new Set<string>();
      for (const link of links) {
        const [from, to] = way === 'down' ? [link.parent, link.child] : [link.child, link.parent];
        if (edge.has(from) && !edge.has(to)) next.add(to);
      }
      for (const name of next) seen.add(name);
      edge = next;
    }
  }
  return seen;
}

/** Returns all services of links, by name. */
export function servicesOf(links: Link[]): string[] {
  return [...new Set(links.flatMap((link) => [link.parent, link.child]))].sort();
}

/** Returns the calls that come in and go out of each service, and how many failed. */
export function sumsOf(links: Link[]): Map<string, { calls: number; errors: number; out: number }> {
  const sums = new Map<string, { calls: number; errors: number; out: number }>();
  const of = (name: string) => {
    let sum = sums.get(name);
    if (!sum) sums.set(name, (sum = { calls: 0, errors: 0, out: 0 }));
    return sum;
  };
  for (const link of links) {
    const child = of(link.child);
    child.calls += link.callCount;
    child.errors += link.errorCount ?? 0;
    of(link.parent).out += link.callCount;
  }
  return sums;
}
