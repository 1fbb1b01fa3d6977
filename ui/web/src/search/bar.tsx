//! The query line with its suggestions, the time range and the button.

import { signal } from '@preact/signals';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../core/i18n';
import { go } from '../core/route';
import { Icon } from '../parts/icons';
import { Options } from '../parts/combobox';
import { complete, type Completion } from './complete';
import type { Criteria } from './criteria';
import { lineOf, parseLine, traceIdOf, type LineError } from './line';
import { searchFor } from './state';
import { TimePicker } from './time';

/** What is typed into the line and not searched for yet. */
const typed = signal<{ line: string; shown: string; error: LineError | null } | null>(null);

/** Puts a line that is not understood before a search, and points at what is wrong. */
export function pointAt(line: string, error: LineError, base: Criteria): void {
  typed.value = { line, error, shown: lineOf(base) };
}

/** Returns criteria with what is typed and not searched for yet, so that no other control drops
 * it; a line that can't be read stays where it is. */
export function withTyped(criteria: Criteria): Criteria {
  const now = typed.value;
  if (!now || now.shown !== lineOf(criteria)) return criteria;
  const { filters } = parseLine(now.line);
  return filters ? { ...criteria, ...filters } : criteria;
}

/**
 * Searches for what a control changes, and for what is typed with it. A line that can't be read is
 * left in its place, with what is wrong.
 */
export function searchWith(asked: Criteria, change: (now: Criteria) => Partial<Criteria>): void {
  const now = typed.peek();
  const before = withTyped(asked);
  const next = { ...before, ...change(before) };
  if (now?.shown === lineOf(asked)) {
    const { error } = parseLine(now.line);
    typed.value = error ? { line: now.line, error, shown: lineOf(next) } : null;
  }
  searchFor(next);
}

interface Props {
  criteria: Criteria;
  formShown: boolean;
  toggleForm: () => void;
}

export function QueryBar({ criteria, formShown, toggleForm }: Props) {
  const shown = lineOf(criteria);
  const now = typed.value?.shown === shown ? typed.value : null;
  const { line, error } = now ?? { line: shown, error: null };
  const setLine = (text: string) => {
    typed.value = text === shown ? null : { line: text, shown, error };
  };
  useEffect(() => {
    if (typed.peek()?.shown !== shown) typed.value = null;
  }, [shown]);
  useEffect(() => () => {
    typed.value = null;
  }, []);

  const submit = (text = line) => {
    const id = traceIdOf(text);
    if (id) return go(`traces/${id}`);
    const parsed = parseLine(text);
    if (!parsed.filters) {
      typed.value = { line: text, shown, error: parsed.error };
      return;
    }
    typed.value = null;
    searchFor({ ...criteria, ...parsed.filters });
  };
  return (
    <form
      class="query"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div class="query-row">
        <LineField line={line} setLine={setLine} submit={submit} bad={error !== null} />
        <TimePicker criteria={withTyped(criteria)} />
        <button type="submit" class="button primary">
          <Icon name="search" />
          {t('search.run')}
        </button>
        <button
          type="button"
          class="button"
          aria-expanded={formShown}
          aria-controls="search-form"
          onClick={toggleForm}
        >
          <Icon name="filter" />
          <span class="wide-only">{t('search.filters')}</span>
          <span class="narrow-only sr">{t('search.filters')}</span>
        </button>
      </div>
      {error && <LineProblem error={error} />}
    </form>
  );
}

/** What of a line is not understood. */
export function LineProblem({ error }: { error: LineError }) {
  return (
    <p class="line-error" role="alert" id="line-error">
      <Icon name="error" />
      {t(`line.${error.kind}`, { text: error.text, at: error.at + 1 })}
    </p>
  );
}

interface FieldProps {
  line: string;
  setLine: (line: string) => void;
  submit: (line?: string) => void;
  bad: boolean;
}

function LineField({ line, setLine, submit, bad }: FieldProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const asked = useRef<AbortController | null>(null);
  const [offer, setOffer] = useState<Completion | null>(null);
  const [at, setAt] = useState(-1);

  const ask = () => {
    asked.current?.abort();
    const abort = (asked.current = new AbortController());
    const input = field.current;
    if (!input) return;
    complete(input.value, input.selectionStart ?? input.value.length, abort.signal).then(
      (found) => {
        if (abort.signal.aborted) return;
        setOffer(found);
        setAt(-1);
      },
      () => undefined,
    );
  };
  const close = () => {
    asked.current?.abort();
    setOffer(null);
    setAt(-1);
  };
  const pick = (name: string) => {
    const input = field.current;
    if (!offer || !input) return;
    const next = offer.apply(name);
    // At once, not with the next rendering: what is typed meanwhile must follow the caret.
    input.value = next.line;
    input.focus();
    input.setSelectionRange(next.caret, next.caret);
    setLine(next.line);
    close();
    if (next.more) ask();
  };
  const list = offer?.names ?? [];
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' && !offer) ask();
    else if (event.key === 'ArrowDown') setAt(at >= list.length - 1 ? 0 : at + 1);
    else if (event.key === 'ArrowUp' && offer) setAt(at <= 0 ? list.length - 1 : at - 1);
    else if (event.key === 'Tab' && offer && at >= 0) pick(list[at][0]);
    else if (event.key === 'Enter' && offer && at >= 0) pick(list[at][0]);
    else if (event.key === 'Escape' && offer) close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="line combobox">
      <Icon name="search" />
      <label class="sr" for={id}>{t('search.line')}</label>
      <input
        id={id}
        ref={field}
        class="mono"
        data-omnibox
        type="text"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={list.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        aria-invalid={bad}
        aria-describedby={bad ? 'line-error' : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder={t('search.placeholder')}
        value={line}
        onInput={(event) => {
          setLine(event.currentTarget.value);
          ask();
        }}
        onClick={() => !offer && ask()}
        onKeyDown={onKeyDown}
        onBlur={close}
        onPaste={(event) => {
          const id = traceIdOf(event.clipboardData?.getData('text') ?? '');
          if (!id || line.trim()) return;
          event.preventDefault();
          submit(id);
        }}
      />
      {line && (
        <button
          type="button"
          class="icon-button"
          aria-label={t('search.clear')}
          onClick={() => {
            setLine('');
            field.current?.focus();
          }}
        >
          <Icon name="close" />
        </button>
      )}
      <Options id={id} label={t('search.suggestions')} list={list} at={at} pick={pick} />
    </div>
  );
}
