//! The found traces by their root operation, with rates and percentiles.

import { brief, count, duration, moment, percent } from '../core/format';
import { t } from '../core/i18n';
import { address } from '../core/route';
import { Icon } from '../parts/icons';
import { Waiting } from '../parts/notice';
import { toAddress, type Criteria } from './criteria';
import { charts, chartsFailure } from './state';

export function Groups({ criteria }: { criteria: Criteria }) {
  const overview = charts.value;
  // The charts above say so themselves while they are shown.
  if (!overview && chartsFailure.value) return null;
  if (!overview) return <Waiting />;
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label={t('groups.caption')}>
      <table class="data">
        <caption class="sr">{t('groups.caption')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('word.rootOperation')}</th>
            <th scope="col" class="right">{t('word.traces')}</th>
            <th scope="col" class="right">{t('word.errorRate')}</th>
            <th scope="col" class="right">p50</th>
            <th scope="col" class="right">p95</th>
            <th scope="col" class="right">p99</th>
            <th scope="col" class="right">{t('word.max')}</th>
            <th scope="col" class="right">{t('groups.latest')}</th>
            <th scope="col">{t('groups.open')}</th>
          </tr>
        </thead>
        <tbody>
          {overview.groups.map((group) => {
            // What the group counted: the same search, of traces that begin with this.
            const only = toAddress({
              ...criteria, rootService: group.svc, rootOperation: group.name, group: false,
            });
            return (
              <tr key={`${group.svc}\n${group.name}`}>
                <th scope="row">
                  <a href={address('', only)}>
                    <span class="service">{brief(group.svc) || t('trace.noService')}</span>{' '}
                    <bdi>{brief(group.name) || t('trace.unnamed')}</bdi>
                  </a>
                </th>
                <td class="right num">{count(group.count)}</td>
                <td class={group.errors > 0 ? 'right num error-text' : 'right num muted'}>
                  {group.errors > 0 && <Icon name="error" />}
                  {percent(group.errors / group.count)}
                </td>
                <td class="right num">{duration(group.p50Us)}</td>
                <td class="right num">{duration(group.p95Us)}</td>
                <td class="right num">{duration(group.p99Us)}</td>
                <td class="right num">{duration(group.maxUs)}</td>
                <td class="right num">{moment(group.latestMs)}</td>
                <td class="links">
                  <a href={address(`traces/${group.slowest}`)}>{t('groups.slowest')}</a>
                  {group.latestError && (
                    <a href={address(`traces/${group.latestError}`)}>{t('groups.latestError')}</a>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {overview.moreGroups > 0 && (
        <p class="muted pad">{t('groups.more', { count: overview.moreGroups })}</p>
      )}
    </div>
  );
}
