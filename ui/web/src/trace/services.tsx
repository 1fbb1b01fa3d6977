//! The services of one trace as a graph: who called whom, how often, and where the time went.

import { useMemo, useState } from 'preact/hooks';
import { config } from '../core/config';
import { duration, percent } from '../core/format';
import { t } from '../core/i18n';
import { isPicture } from '../graph/links';
import { GraphView, type Picked } from '../graph/view';
import { Empty } from '../parts/notice';
import { linksOf, peerOf } from './calls';
import { showInWaterfall } from './header';
import { serviceOf } from './model';
import { columns, tab } from './state';

export function ServiceGraph() {
  const all = columns.value;
  const [picked, setPicked] = useState<Picked>(null);
  const found = useMemo(() => (all ? linksOf(all) : null), [all]);
  if (!all || !found) return null;
  if (found.services.length < 2) return <Empty title={t('graph.oneService')} />;
  if (!isPicture(found.links, found.services)) {
    const counts = { services: found.services.length, calls: found.links.length };
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
    // Who sent no span is shown by the first span that names it.
    for (let i = 0; i < all.count; i += 1) {
      const peer = peerOf(all, i);
      const ends = [peer, serviceOf(all, i)];
      const fits = up === null ? peer === name : ends.includes(up) && ends.includes(name);
      if (peer && fits) return showInWaterfall(i);
    }
  };
  const note = (name: string) => {
    const us = found.self.get(name);
    if (us === undefined) return t('graph.peer');
    return `${t('word.self')} ${duration(us)} · ${percent(us / all.total)}`;
  };
  return (
    <GraphView
      links={found.links} services={found.services} label={t('tab.graph')} picked={picked}
      pick={pick} note={note} lowErrorRate={config.value.dependency.lowErrorRate}
    />
  );
}
