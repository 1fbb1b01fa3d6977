//! How many traces match, as far as that is known: charts count the newest of them, up to a bound.

import { count } from '../core/format';
import { t } from '../core/i18n';
import type { Overview } from './source';

/** Says how many traces match, where that is more than is shown; null where it is not known. */
export function totalOf(charts: Overview | null, shown: number): string | null {
  if (!charts || charts.traces < shown) return null;
  const n = count(charts.traces);
  if (charts.complete) return charts.traces > shown ? n : null;
  // Up to the bound all were counted, so that there are more; for time any number may be left.
  if (charts.reason === 'traces') return t('results.moreThan', { total: n });
  return charts.traces > shown ? t('results.least', { total: n }) : null;
}
