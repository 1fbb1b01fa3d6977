//! Hosts whose clocks differ make children that begin before their parents. Such a host's spans are
//! moved so that they lie within the call, and marked.

import type { Nodes } from './build';
import { PLACEHOLDER, SKEWED, type Shift, type Span } from './model';

function service(span: Span): string {
  return span.localEndpoint?.serviceName ?? '';
}

/** Moves starts; returns which services were moved by how much (the most, each). */
export function correctSkew(nodes: Nodes): Shift[] {
  const { spans, start, child, childFrom, flags } = nodes;
  const shift = new Float64Array(spans.length);
  const found = new Map<string, number>();
  const queue = [...nodes.roots];
  for (let head = 0; head < queue.length; head += 1) {
    const up = queue[head];
    for (let c = childFrom[up]; c < childFrom[up + 1]; c += 1) {
      const node = child[c];
      queue.push(node);
      if (flags[up] & PLACEHOLDER || Number.isNaN(start[node]) || Number.isNaN(start[up])) continue;
      const [parent, span] = [spans[up], spans[node]];
      const other = service(span);
      // One host has one clock: its spans move together.
      shift[node] = other === service(parent) || other === '' ? shift[up] : skewOf(nodes, up, node);
      if (shift[node] === 0) continue;
      start[node] += shift[node];
      flags[node] |= SKEWED;
      const most = found.get(other) ?? 0;
      if (Math.abs(shift[node]) > Math.abs(most)) found.set(other, shift[node]);
    }
  }
  return [...found].map(([name, us]) => ({ service: name, us }));
}

/** Returns how far a child on another host is off, by its (already moved) parent. */
function skewOf(nodes: Nodes, up: number, node: number): number {
  const [parent, span] = [nodes.spans[up], nodes.spans[node]];
  const [parentStart, start] = [nodes.start[up], nodes.start[node]];
  const [parentUs, us] = [parent.duration ?? 0, span.duration ?? 0];
  const early = start < parentStart;
  // Only a call that is waited for must end within its caller; messages may be read much later.
  const waited = span.kind === 'SERVER' && (parent.kind === 'CLIENT' || span.shared === true);
  const late = waited && parentUs > 0 && us > 0 && us <= parentUs &&
    start + us > parentStart + parentUs;
  if (!early && !late) return 0;
  // The way there and back is taken to be equally long.
  const latency = parentUs > us && us > 0 ? (parentUs - us) / 2 : 0;
  return Math.round(parentStart + latency - start);
}
