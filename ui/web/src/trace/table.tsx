//! The trace as a table, grouped by service, operation, or both, with what each cost.

import { brief, count, duration, percent } from '../core/format';
import { t } from '../core/i18n';
import { Icon } from '../parts/icons';
import { timesOn } from './critical';
import { download } from './json';
import { showInWaterfall } from './header';
import { FAILED, nameOf, PLACEHOLDER, serviceOf, type Columns } from './model';
import { columns, critical, GROUPS, tableBy, tableSort } from './state';

type GroupBy = (typeof GROUPS)[number];

export interface Sums {
  key: string;
  service: string;
  name: string;
  spans: number;
  errors: number;
  total: number;
  self: number;
  max: number;
  onPath: number;
  longest: number;
}

/** Sums up the spans of each group. */
export function sums(all: Columns, by: GroupBy, onPath: Float64Array): Sums[] {
  const groups = new Map<string, Sums>();
  for (let i = 0; i < all.count; i += 1) {
    if (all.flags[i] & PLACEHOLDER) continue;
    const service = by === 'name' ? '' : serviceOf(all, i);
    const name = by === 'service' ? '' : nameOf(all, i);
    const key = `${service}\n${name}`;
    let group = groups.get(key);
    if (!group) {
      group = {
        key, service, name, spans: 0, errors: 0, total: 0, self: 0, max: -1, onPath: 0, longest: i,
      };
      groups.set(key, group);
    }
    group.spans += 1;
    group.errors += all.flags[i] & FAILED;
    group.total += all.dur[i];
    group.self += all.self[i];
    group.onPath += onPath[i];
    if (all.dur[i] > group.max) {
      group.max = all.dur[i];
      group.longest = i;
    }
  }
  return [...groups.values()];
}

const COLUMNS = ['spans', 'errors', 'total', 'average', 'max', 'self', 'onPath'] as const;
type Column = (typeof COLUMNS)[number];

function valueOf(group: Sums, column: Column): number {
  return column === 'average' ? group.total / group.spans : group[column];
}

export function Table() {
  const all = columns.value;
  const [by, sort] = [tableBy.value, tableSort.value];
  if (!all) return null;
  const path = critical.value;
  const groups = sums(all, by, path ? timesOn(path, all.count) : new Float64Array(all.count));
  groups.sort((a, b) => valueOf(b, sort) - valueOf(a, sort) || (a.key < b.key ? -1 : 1));
  return (
    <div class="table-view">
      <div class="sub-bar">
        <label for="group-by">{t('table.by')}</label>
        <select
          id="group-by" value={by}
          onChange={(event) => {
            tableBy.value = event.currentTarget.value as GroupBy;
          }}
        >
          <option value="operation">{t('trace.serviceOperation')}</option>
          <option value="service">{t('word.service')}</option>
          <option value="name">{t('word.operation')}</option>
        </select>
        <button
          type="button" class="button"
          onClick={() => download(`${all.traceId}.csv`, csv(groups), 'text/csv')}
        >
          <Icon name="download" />CSV
        </button>
      </div>
      <div class="scroll-x fill" tabIndex={0} role="region" aria-label={t('tab.table')}>
        <table class="data">
          <thead>
            <tr>
              <th scope="col">{t(by === 'service' ? 'word.service' : by === 'name' ? 'word.operation' : 'trace.serviceOperation')}</th>
              {COLUMNS.map((column) => (
                <th
                  key={column} scope="col" class="right"
                  aria-sort={sort === column ? 'descending' : undefined}
                >
                  <button
                    type="button" class={sort === column ? 'sort sorted' : 'sort'}
                    onClick={() => {
                      tableSort.value = column;
                    }}
                  >
                    {t(`table.${column}`)}<Icon name="down" />
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.slice(0, 500).map((group) => (
              <Line key={group.key} group={group} length={path?.length ?? 0} by={by} />
            ))}
          </tbody>
        </table>
        {groups.length > 500 && (
          <p class="muted pad">{t('detail.hidden', { count: count(groups.length - 500) })}</p>
        )}
      </div>
    </div>
  );
}

interface LineProps {
  group: Sums;
  by: GroupBy;
  /** How long the critical path is. */
  length: number;
}

function Line({ group, by, length }: LineProps) {
  return (
    <tr>
      <th scope="row">
        <button type="button" class="link" onClick={() => showInWaterfall(group.longest)}>
          {by !== 'name' && <span class="service">{brief(group.service) || t('trace.noService')}</span>}{' '}
          {by !== 'service' && <bdi>{brief(group.name) || t('trace.unnamed')}</bdi>}
        </button>
      </th>
      <td class="right num">{count(group.spans)}</td>
      <td class={group.errors > 0 ? 'right num error-text' : 'right num muted'}>
        {group.errors > 0 && <Icon name="error" />}{count(group.errors)}
      </td>
      <td class="right num">{duration(group.total)}</td>
      <td class="right num">{duration(group.total / group.spans)}</td>
      <td class="right num">{duration(group.max)}</td>
      <td class="right num">{duration(group.self)}</td>
      <td class="right num">{percent(group.onPath / Math.max(1, length))}</td>
    </tr>
  );
}

/** A cell that a spreadsheet must not take for a formula. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(groups: Sums[]): string {
  const head = 'service,operation,spans,errors,total_us,average_us,max_us,self_us,critical_us';
  const lines = groups.map((group) => [
    cell(group.service), cell(group.name), group.spans, group.errors, group.total,
    Math.round(group.total / group.spans), group.max, group.self, group.onPath,
  ].join(','));
  return `${[head, ...lines].join('\n')}\n`;
}
