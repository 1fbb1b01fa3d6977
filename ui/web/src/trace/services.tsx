//! The services of one trace as a graph: who called whom, how often, and where the time went.

import { useMemo, useState } from 'preact/hooks';
import { config } from '../core/config';
import { duration, percent } from '../core/format';
import { t } from '../core/i18n';
import { isPicture, servicesOf, type Link } from '../graph/links';
import { GraphView, type Picked } from '../graph/view';
import { Empty } from '../parts/notice';
import { showInWaterfall } from './header';
import { FAILED, PLACEHOLDER, serviceOf, type Columns } from './model';
import { columns, tab } from './state';

/** Calls between different services of a trace. */
export function linksOf(all: Columns): { links: Link[]; self: Map<string, number> } {
  const links = new Map<string, Link>();
  const self = new Map<string, number>();
  for (let i = 0; i < all.count; i += 1) {
    if (all.flags[i] & PLACEHOLDER) continue;
    const child = serviceOf(all, i);
    self.set(child, (self.get(child) ?? 0) + all.self[i]);
    const up = all.parent[i];
    if (up < 0 || all.flags[up] & PLACEHOLDER || all.service[up] === all.service[i]) continue;
    const parent = serviceOf(all, up);
    const key = `${parent}\n${child}`;
    const link = links.get(key) ?? { parent, child, callCount: 0, errorCount: 0 };
    link.callCount += 1;
    link.errorCount = (link.errorCount ?? 0) + (all.flags[i] & FAILED);
    links.set(key, link);
  }
  return { links: [...links.values()], self };
}

export function ServiceGraph() {
  const all = columns.value;
  const [picked, setPicked] = useState<Picked>(null);
  const found = useMemo(() => (all ? linksOf(all) : null), [all]);
  if (!all || !found) return null;
  if (found.links.length === 0) return <Empty title={t('graph.oneService')} />;
  if (!isPicture(found.links)) {
    const counts = { services: servicesOf(found.links).length, calls: found.links.length };
    return (
      <Empty title={t('graph.tooManyHere', counts)}>
        <button type="button" class="button" onClick={() => (tab.value = 'table')}>{t('tab.table')}</button>
      </Empty>
    );
  }
  const pick = (next: Picked) => {
    setPicked(next);
    const name = next && ('node' in next ? next.node : next.edge.child);
    const up = next && 'edge' in next ? next.edge.parent : null;
    if (!name) return;
    for (let i = 0; i < all.count; i += 1) {
      const fits = up === null || (all.parent[i] >= 0 && serviceOf(all, all.parent[i]) === up);
      if (serviceOf(all, i) === name && fits) return showInWaterfall(i);
    }
  };
  const note = (name: string) => {
    const us = found.self.get(name) ?? 0;
    return `${t('word.self')} ${duration(us)} · ${percent(us / all.total)}`;
  };
  return (
    <GraphView
      links={found.links} label={t('tab.graph')} picked={picked} pick={pick} note={note}
      lowErrorRate={config.value.dependency.lowErrorRate}
    />
  );
}
