//! The form that makes the same query as the line, field by field.

import { useEffect, useState } from 'preact/hooks';
import { t } from '../core/i18n';
import { Combobox } from '../parts/combobox';
import { Icon } from '../parts/icons';
import { durationUs, queryDuration, termOf, termText, type Criteria } from './criteria';
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
  return (
    <fieldset class="field lengths">
      <legend>{label}</legend>
      <Length label={t('form.min')} us={min} onUs={(us) => onLengths(us, max)} />
      <span aria-hidden="true">–</span>
      <Length label={t('form.max')} us={max} onUs={(us) => onLengths(min, us)} />
    </fieldset>
  );
}

function Length(props: { label: string; us: number | null; onUs: (us: number | null) => void }) {
  const shown = props.us === null ? '' : queryDuration(props.us);
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const wrong = text.trim() !== '' && durationUs(text) === null;
  const settle = () => {
    const us = text.trim() === '' ? null : durationUs(text);
    if (!wrong && us !== props.us) props.onUs(us);
  };
  return (
    <input
      type="text" inputMode="text" aria-label={props.label} placeholder={props.label}
      title={wrong ? t('form.durationExample') : undefined}
      aria-invalid={wrong} value={text} spellcheck={false}
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
  if (criteria.service) add(`${t('word.service')}: ${criteria.service}`, { service: '' });
  if (criteria.operation) add(`${t('word.operation')}: ${criteria.operation}`, { operation: '' });
  if (criteria.remote) add(`${t('word.remote')}: ${criteria.remote}`, { remote: '' });
  for (const term of criteria.terms) {
    add(termText(term), { terms: criteria.terms.filter((one) => one !== term) });
  }
  for (const term of criteria.without) {
    add(t('search.without', { what: termText(term) }), {
      without: criteria.without.filter((one) => one !== term),
    });
  }
  const ranges: [number | null, string, Partial<Criteria>][] = [
    [criteria.traceMinUs, `${t('form.traceDuration')} ≥ `, { traceMinUs: null }],
    [criteria.traceMaxUs, `${t('form.traceDuration')} ≤ `, { traceMaxUs: null }],
    [criteria.minUs, `${t('form.spanDuration')} ≥ `, { minUs: null }],
    [criteria.maxUs, `${t('form.spanDuration')} ≤ `, { maxUs: null }],
  ];
  for (const [us, text, without] of ranges) {
    if (us !== null) add(text + queryDuration(us), without);
  }
  if (criteria.parent) {
    const failed = criteria.edgeErrors ? ` (${t('word.errors')})` : '';
    add(`${criteria.parent} → ${criteria.child}${failed}`,
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
