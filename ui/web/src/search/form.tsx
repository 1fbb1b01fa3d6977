//! The form that makes the same query as the line, field by field.

import { useEffect, useState } from 'preact/hooks';
import { isolated } from '../core/format';
import { t } from '../core/i18n';
import { Combobox } from '../parts/combobox';
import { Icon } from '../parts/icons';
import { boundText, durationUs, queryDuration, rootText, termOf, termText, type Criteria } from './criteria';
import { withTerm } from './line';
import { names, type NamesOf } from './source';
import { searchFor, shownWindow } from './state';

export function SearchForm({ criteria }: { criteria: Criteria }) {
  const set = (change: Partial<Criteria>) => searchFor({ ...criteria, ...change });
  const suggest = (of: NamesOf) => (contains: string, signal: AbortSignal) => {
    const { startMs, endMs } = shownWindow();
    const service = of === 'services' ? '' : criteria.service;
    const window = { endMs: Math.ceil(endMs), lookbackMs: endMs - startMs };
    return names({ of, service, contains, ...window }, signal);
  };
  const any = t('form.any');
  return (
    <section class="form" id="search-form" aria-label={t('search.filters')}>
      <Combobox
        label={t('word.service')} value={criteria.service} placeholder={any}
        suggest={suggest('services')} onValue={(service) => set({ service })}
      />
      <Combobox
        label={t('word.operation')} value={criteria.operation} placeholder={any}
        suggest={suggest('operations')} onValue={(operation) => set({ operation })}
      />
      <Combobox
        label={t('word.remote')} value={criteria.remote} placeholder={any}
        suggest={suggest('remotes')} onValue={(remote) => set({ remote })}
      />
      <TagField criteria={criteria} />
      <Lengths
        label={t('form.traceDuration')} min={criteria.traceMinUs} max={criteria.traceMaxUs}
        onLengths={(traceMinUs, traceMaxUs) => set({ traceMinUs, traceMaxUs })}
      />
      <Lengths
        label={t('form.spanDuration')} min={criteria.minUs} max={criteria.maxUs}
        onLengths={(minUs, maxUs) => set({ minUs, maxUs })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={criteria.terms.some((term) => term.key === 'error' && term.value === null)}
          onChange={(event) => {
            const rest = criteria.terms.filter((term) => termText(term) !== 'error');
            const on = event.currentTarget.checked;
            set({ terms: on ? [...rest, { key: 'error', value: null }] : rest });
          }}
        />
        {t('form.errorsOnly')}
      </label>
    </section>
  );
}

function TagField({ criteria }: { criteria: Criteria }) {
  const suggest = async (text: string, signal: AbortSignal) => {
    const { service } = criteria;
    const { key, value } = termOf(text);
    if (value === null) return names({ of: 'keys', service, contains: text }, signal);
    const found = await names({ of: 'values', key, service, contains: value }, signal);
    return found.map(([name, seen]): [string, number | null] => [`${key}=${name}`, seen]);
  };
  return (
    <Combobox
      label={t('form.tag')} value="" placeholder={t('form.tagExample')} suggest={suggest}
      onValue={(text) => {
        if (text) searchFor({ ...criteria, terms: withTerm(criteria.terms, termOf(text)) });
      }}
    />
  );
}

interface LengthsProps {
  label: string;
  min: number | null;
  max: number | null;
  onLengths: (min: number | null, max: number | null) => void;
}

function Lengths({ label, min, max, onLengths }: LengthsProps) {
  const [crossed, setCrossed] = useState(false);
  const settle = (least: number | null, most: number | null) => {
    const wrong = least !== null && most !== null && least > most;
    setCrossed(wrong);
    if (!wrong) onLengths(least, most);
  };
  return (
    <fieldset class="field lengths">
      <legend>{label}</legend>
      <Length label={t('form.min')} us={min} onUs={(us) => settle(us, max)} bad={crossed} />
      <span aria-hidden="true">–</span>
      <Length label={t('form.max')} us={max} onUs={(us) => settle(min, us)} bad={crossed} />
      {crossed && <span class="line-error" role="alert">{t('form.crossed')}</span>}
    </fieldset>
  );
}

interface LengthProps {
  label: string;
  us: number | null;
  onUs: (us: number | null) => void;
  /** Whether the two lengths of a pair do not go together. */
  bad: boolean;
}

function Length(props: LengthProps) {
  const shown = props.us === null ? '' : queryDuration(props.us);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const wrong = text.trim() !== '' && durationUs(text) === null;
  const settle = () => {
    const us = text.trim() === '' ? null : durationUs(text);
    if (!wrong && (us !== props.us || props.bad)) props.onUs(us);
  };
  return (
    <input
      type="text" inputMode="text" aria-label={props.label} placeholder={props.label}
      title={wrong ? t('form.durationExample') : undefined}
      aria-invalid={wrong || props.bad} value={text} spellcheck={false}
      onInput={(event) => setText(event.currentTarget.value)}
      onBlur={settle}
      onKeyDown={(event) => {
        if (event.key === 'Enter') settle();
      }}
    />
  );
}

/** The filters in force, each with a way to remove it. */
export function Chips({ criteria }: { criteria: Criteria }) {
  const chips: { text: string; without: Partial<Criteria> }[] = [];
  const add = (text: string, without: Partial<Criteria>) => chips.push({ text, without });
  if (criteria.service) add(`${t('word.service')}: ${isolated(criteria.service)}`, { service: '' });
  if (criteria.operation) {
    add(`${t('word.operation')}: ${isolated(criteria.operation)}`, { operation: '' });
  }
  if (criteria.remote) add(`${t('word.remote')}: ${isolated(criteria.remote)}`, { remote: '' });
  for (const term of criteria.terms) {
    add(termText(term), { terms: criteria.terms.filter((one) => one !== term) });
  }
  for (const term of criteria.without) {
    add(t('search.without', { what: termText(term) }), {
      without: criteria.without.filter((one) => one !== term),
    });
  }
  const bound = (us: number | null, isLeast: boolean, text: string, without: Partial<Criteria>) => {
    if (us === null) return;
    const { op, length } = boundText(us, isLeast);
    add(`${text} ${op.replace('>=', '≥').replace('<=', '≤')} ${length}`, without);
  };
  bound(criteria.traceMinUs, true, t('form.traceDuration'), { traceMinUs: null });
  bound(criteria.traceMaxUs, false, t('form.traceDuration'), { traceMaxUs: null });
  bound(criteria.minUs, true, t('form.spanDuration'), { minUs: null });
  bound(criteria.maxUs, false, t('form.spanDuration'), { maxUs: null });
  if (criteria.rootService !== null || criteria.rootOperation !== null) {
    add(`${t('word.rootOperation')}: ${rootText(criteria)}`,
      { rootService: null, rootOperation: null });
  }
  if (criteria.parent) {
    const failed = criteria.edgeErrors ? ` (${t('word.errors')})` : '';
    add(`${isolated(criteria.parent)} → ${isolated(criteria.child)}${failed}`,
      { parent: '', child: '', edgeErrors: false });
  }
  if (chips.length === 0) return null;
  return (
    <ul class="chips" aria-label={t('search.inForce')}>
      {chips.map((chip) => (
        <li key={chip.text} class="chip">
          <span class="clip">{chip.text}</span>
          <button
            type="button" aria-label={t('search.remove', { what: chip.text })}
            onClick={() => searchFor({ ...criteria, ...chip.without })}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}
