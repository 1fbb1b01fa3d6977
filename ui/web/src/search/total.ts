//! How many traces match, as far as that is known: charts count the newest of them, up to a bound.

import { count } from '../core/format';
import { t } from '../core/i18n';
import type { Overview } from './source';

/**
 * Says how many traces match, where that is more than is shown; null where it is not known. With a
 * cursor there is a page below what is shown.
 */
export function totalOf(
  charts: Overview | null,
  shown: number,
  cursor: string | null,
): string | null {
  if (!charts) return null;
  // Past what the charts have counted, rows tell.
  if (charts.traces < shown) {
    return cursor === null ? null : t('results.moreThan', { total: count(shown) });
  }
  const n = count(charts.traces);
  if (charts.complete) return charts.traces > shown ? n : null;
  // Up to the bound all were counted, so that there are more; for time any number may be left.
  if (charts.reason === 'traces') return t('results.moreThan', { total: n });
  return charts.traces > shown ? t('results.least', { total: n }) : null;
}
