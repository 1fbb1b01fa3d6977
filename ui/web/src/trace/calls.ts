//! Who called whom in one trace: services by their spans, and those that only others name.

import { servicesOf, type Link } from '../graph/links';
import { FAILED, KINDS, PLACEHOLDER, serviceOf, type Columns } from './model';

/** Returns the one that a span talked with and that sent no span of it, if it names one. */
export function peerOf(all: Columns, i: number): string | null {
  const peer = all.remote[i] < 0 ? '' : all.remotes[all.remote[i]];
  if (!peer || peer === serviceOf(all, i)) return null;
  const kind = KINDS[all.kind[i]];
  const up = all.parent[i];
  // A server was called from outside when nothing of this trace called it.
  if (kind === 'SERVER' || kind === 'CONSUMER') {
    return up < 0 || all.flags[up] & PLACEHOLDER ? peer : null;
  }
  if (kind !== 'CLIENT' && kind !== 'PRODUCER') return null;
  for (let c = i + 1; c < all.end[i]; c = all.end[c]) {
    if (all.service[c] !== all.service[i]) return null;
  }
  return peer;
}

export interface Calls {
  links: Link[];
  /** How long each service worked that sent spans. */
  self: Map<string, number>;
  /** By name, with those that nobody calls and that call nobody. */
  services: string[];
}

/** Calls between different services of a trace, and with those that sent no span. */
export function linksOf(all: Columns): Calls {
  const links = new Map<string, Link>();
  const self = new Map<string, number>();
  const add = (parent: string, child: string, i: number) => {
    const key = `${parent}\n${child}`;
    const link = links.get(key) ?? { parent, child, callCount: 0, errorCount: 0 };
    link.callCount += 1;
    link.errorCount = (link.errorCount ?? 0) + (all.flags[i] & FAILED);
    links.set(key, link);
  };
  for (let i = 0; i < all.count; i += 1) {
    if (all.flags[i] & PLACEHOLDER) continue;
    const service = serviceOf(all, i);
    self.set(service, (self.get(service) ?? 0) + all.self[i]);
    const up = all.parent[i];
    const hasCaller = up >= 0 && !(all.flags[up] & PLACEHOLDER);
    if (hasCaller && all.service[up] !== all.service[i]) add(serviceOf(all, up), service, i);
    const peer = peerOf(all, i);
    const isServed = /^(SERVER|CONSUMER)$/.test(KINDS[all.kind[i]]);
    if (peer) add(isServed ? peer : service, isServed ? service : peer, i);
  }
  const list = [...links.values()];
  const named = [...self.keys()].filter(Boolean);
  const services = [...new Set([...servicesOf(list), ...named])].sort();
  return { links: list, self, services };
}
