//! The form that makes the same query as the line, field by field.

import { useEffect, useRef, useState } from 'preact/hooks';
import { isolated } from '../core/format';
import { t } from '../core/i18n';
import { place } from '../core/route';
import { Combobox } from '../parts/combobox';
import { Icon } from '../parts/icons';
import { searchWith, withTyped } from './bar';
import {
  boundText, durationUs, queryDuration, rootText, termOf, termText, type Criteria, type Term,
} from './criteria';
import { refusal, withTerm } from './line';
import { names, type NamesOf } from './source';
import { shownWindow } from './state';

export function SearchForm({ asked }: { asked: Criteria }) {
  const criteria = withTyped(asked);
  const set = (change: Partial<Criteria>) => searchWith(asked, () => change);
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
      <TagField asked={asked} />
      <Lengths
        label={t('form.traceDuration')} min={criteria.traceMinUs} max={criteria.traceMaxUs}
        isAsked={criteria === asked}
        onLengths={(traceMinUs, traceMaxUs) => set({ traceMinUs, traceMaxUs })}
      />
      <Lengths
        label={t('form.spanDuration')} min={criteria.minUs} max={criteria.maxUs}
        isAsked={criteria === asked}
        onLengths={(minUs, maxUs) => set({ minUs, maxUs })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={criteria.terms.some((term) => term.key === 'error')}
          onChange={(event) => {
            // With a value it is about errors alone, too.
            const rest = criteria.terms.filter((term) => term.key !== 'error');
            const on = event.currentTarget.checked;
            set({ terms: on ? [...rest, { key: 'error', value: null }] : rest });
          }}
        />
        {t('form.errorsOnly')}
      </label>
    </section>
  );
}

function TagField({ asked }: { asked: Criteria }) {
  const [wrong, setWrong] = useState<string | undefined>();
  const { service, terms } = withTyped(asked);
  // What was refused beside others may do without them.
  useEffect(() => setWrong(undefined), [terms.map(termText).join('\n')]);
  const suggest = async (text: string, signal: AbortSignal) => {
    const { key, value } = termOf(text);
    if (value === null) return names({ of: 'keys', service, contains: text }, signal);
    const found = await names({ of: 'values', key, service, contains: value }, signal);
    return found.filter(([name]) => name !== '')
      .map(([name, seen]): [string, number | null] => [`${key}=${name}`, seen]);
  };
  const add = (text: string) => {
    if (!text) return setWrong(undefined);
    const term = termOf(text);
    const kind = refusal(terms, term);
    setWrong(kind ? t(`form.${kind}`, { text: term.key }) : undefined);
    if (kind) return 'refused';
    return searchWith(asked, (now) => ({ terms: withTerm(now.terms, term) }));
  };
  return (
    <Combobox
      label={t('form.tag')} value="" placeholder={t('form.tagExample')} suggest={suggest}
      isEmptied wrong={wrong} onType={() => setWrong(undefined)} onValue={add}
    />
  );
}

interface LengthsProps {
  label: string;
  min: number | null;
  max: number | null;
  /** They are those that are searched for, not some that are still being typed into the line. */
  isAsked: boolean;
  onLengths: (min: number | null, max: number | null) => void;
}

const lengthText = (us: number | null) => (us === null ? '' : queryDuration(us));

/** Returns the length that a text is, null for none; undefined where it is not understood. */
function lengthOf(text: string): number | null | undefined {
  return text.trim() === '' ? null : durationUs(text) ?? undefined;
}

/** What two fields say. */
interface Texts {
  min: string;
  max: string;
}

/** Returns what two fields say once bounds have changed: what is typed beside those stays. */
export function textsAfter(texts: Texts, before: Texts, now: Texts): Texts {
  const after = (which: keyof Texts) => (before[which] === now[which] ? texts : now)[which];
  return { min: after('min'), max: after('max') };
}

/** Two lengths, which are settled together: what is refused of one is not dropped by the other. */
function Lengths({ label, min, max, isAsked, onLengths }: LengthsProps) {
  const shown = { min: lengthText(min), max: lengthText(max) };
  const [texts, setTexts] = useState(shown);
  const [crossed, setCrossed] = useState(false);
  const before = useRef(shown);
  const settle = (pair = texts) => {
    const [least, most] = [lengthOf(pair.min), lengthOf(pair.max)];
    if (least === undefined || most === undefined) return;
    const isCrossed = least !== null && most !== null && least > most;
    setCrossed(isCrossed);
    if (!isCrossed && (least !== min || most !== max)) onLengths(least, most);
  };
  useEffect(() => {
    // The way back shows a search as it was.
    const isBack = place.peek().backFrom !== null;
    const next = isBack ? shown : textsAfter(texts, before.current, shown);
    before.current = shown;
    setTexts(next);
    setCrossed(false);
    const isTyped = next.min !== shown.min || next.max !== shown.max;
    if (isTyped && isAsked) settle(next);
  }, [shown.min, shown.max]);
  const field = (which: keyof Texts) => (
    <Length
      label={t(`form.${which}`)} text={texts[which]} settle={() => settle()}
      problem={lengthOf(texts[which]) === undefined ? 'unread' : crossed ? 'crossed' : null}
      onText={(text) => setTexts({ ...texts, [which]: text })}
    />
  );
  return (
    <fieldset class="field lengths">
      <legend>{label}</legend>
      {field('min')}
      <span aria-hidden="true">–</span>
      {field('max')}
      {crossed && <span class="line-error" role="alert">{t('form.crossed')}</span>}
    </fieldset>
  );
}

interface LengthProps {
  label: string;
  text: string;
  onText: (text: string) => void;
  settle: () => void;
  /** It is not understood, or does not go together with the other of its pair. */
  problem: 'unread' | 'crossed' | null;
}

function Length({ label, text, onText, settle, problem }: LengthProps) {
  return (
    <input
      type="text" inputMode="text" aria-label={label} placeholder={label}
      title={problem === 'unread' ? t('form.durationExample') : undefined}
      aria-invalid={problem !== null} value={text} spellcheck={false}
      onInput={(event) => onText(event.currentTarget.value)}
      onBlur={settle}
      onKeyDown={(event) => {
        if (event.key === 'Enter') settle();
      }}
    />
  );
}

/** A filter in force, and what removes it from a search, whatever else was typed meanwhile. */
interface Chip {
  text: string;
  without: (now: Criteria) => Partial<Criteria>;
}

const isOther = (a: Term) => (b: Term) => a.key !== b.key || a.value !== b.value;

function chipsOf(criteria: Criteria): Chip[] {
  const chips: Chip[] = [];
  const add = (text: string, without: Partial<Criteria>) => {
    chips.push({ text, without: () => without });
  };
  if (criteria.service) add(`${t('word.service')}: ${isolated(criteria.service)}`, { service: '' });
  if (criteria.operation) {
    add(`${t('word.operation')}: ${isolated(criteria.operation)}`, { operation: '' });
  }
  if (criteria.remote) add(`${t('word.remote')}: ${isolated(criteria.remote)}`, { remote: '' });
  for (const term of criteria.terms) {
    chips.push({
      text: termText(term), without: ({ terms }) => ({ terms: terms.filter(isOther(term)) }),
    });
  }
  for (const term of criteria.without) {
    chips.push({
      text: t('search.without', { what: termText(term) }),
      without: ({ without }) => ({ without: without.filter(isOther(term)) }),
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
  return chips;
}

/** The filters in force, each with a way to remove it. */
export function Chips({ criteria }: { criteria: Criteria }) {
  const chips = chipsOf(criteria);
  if (chips.length === 0) return null;
  return (
    <ul class="chips" aria-label={t('search.inForce')}>
      {chips.map((chip) => (
        <li key={chip.text} class="chip">
          <span class="clip">{chip.text}</span>
          <button
            type="button" aria-label={t('search.remove', { what: chip.text })}
            onClick={() => searchWith(criteria, chip.without)}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}
