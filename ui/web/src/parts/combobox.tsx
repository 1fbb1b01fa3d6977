//! A text field with suggestions (the combobox pattern of WAI-ARIA), which asks for them as one
//! types. What is typed always counts; suggestions only help.

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { count } from '../core/format';
import type { Name } from '../search/source';

const PAUSE_MS = 120;

interface Props {
  label: string;
  value: string;
  placeholder?: string;
  /** Asks for suggestions to a text. */
  suggest: (text: string, signal: AbortSignal) => Promise<Name[]>;
  /** Called when a value is settled: picked, or left with Enter or by leaving. */
  onValue: (value: string) => void | 'refused';
  /** Takes one value after the other: it is empty again once one was taken. */
  isEmptied?: boolean;
  /** Why what is in it was not taken, in words. */
  wrong?: string;
  /** Called as one types, and what was wrong may be mended. */
  onType?: (text: string) => void;
}

export function Combobox(props: Props) {
  const { label, value, placeholder, suggest, onValue, isEmptied, wrong, onType } = props;
  const id = useId();
  const [text, setText] = useState(value);
  const [list, setList] = useState<Name[] | null>(null);
  const [at, setAt] = useState(-1);
  const asked = useRef<AbortController | null>(null);
  const timer = useRef(0);
  // What was settled last: to leave the field once more settles nothing anew.
  const settled = useRef(value);
  useEffect(() => {
    setText(value);
    settled.current = value;
  }, [value]);
  useEffect(() => () => asked.current?.abort(), []);

  const ask = (part: string, pause: number) => {
    clearTimeout(timer.current);
    asked.current?.abort();
    const abort = (asked.current = new AbortController());
    timer.current = setTimeout(() => {
      suggest(part, abort.signal).then(
        (found) => {
          if (abort.signal.aborted) return;
          setList(found);
          setAt(-1);
        },
        () => undefined,
      );
    }, pause);
  };
  const close = () => {
    clearTimeout(timer.current);
    asked.current?.abort();
    setList(null);
    setAt(-1);
  };
  const settle = (next: string) => {
    close();
    setText(next);
    if (next.trim() === value || next.trim() === settled.current) return;
    settled.current = next.trim();
    const isRefused = onValue(next.trim()) === 'refused';
    // Once its reason is gone, the same may be settled anew.
    if (isRefused || isEmptied) settled.current = value;
    if (!isRefused && isEmptied) setText('');
  };
  /** Settles what is picked or entered: who does that means it, whatever was settled before. */
  const enter = (next: string) => {
    settled.current = value;
    settle(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const last = (list?.length ?? 0) - 1;
    if (event.key === 'ArrowDown') {
      if (!list) ask(text === value ? '' : text, 0);
      else setAt(at >= last ? 0 : at + 1);
    } else if (event.key === 'ArrowUp' && list) setAt(at <= 0 ? last : at - 1);
    else if (event.key === 'Enter') enter(list && at >= 0 ? list[at][0] : text);
    else if (event.key === 'Escape' && list) close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const open = list !== null && list.length > 0;
  return (
    <div class="field combobox">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={open}
        aria-controls={`${id}-list`}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        aria-invalid={wrong !== undefined}
        aria-describedby={wrong === undefined ? undefined : `${id}-wrong`}
        value={text}
        onFocus={() => ask('', PAUSE_MS)}
        onInput={(event) => {
          setText(event.currentTarget.value);
          settled.current = value;
          onType?.(event.currentTarget.value);
          ask(event.currentTarget.value, PAUSE_MS);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => settle(text)}
      />
      <Options id={id} label={label} list={open ? list : []} at={at} pick={enter} />
      {wrong !== undefined && (
        <span class="line-error" role="alert" id={`${id}-wrong`}>{wrong}</span>
      )}
    </div>
  );
}

interface OptionsProps {
  id: string;
  label: string;
  list: Name[];
  at: number;
  pick: (name: string) => void;
}

/** The open list below a field; hidden while there is nothing to offer. */
export function Options({ id, label, list, at, pick }: OptionsProps) {
  const shown = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (at >= 0) shown.current?.children[at]?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  return (
    <ul
      class="options"
      id={`${id}-list`}
      ref={shown}
      role="listbox"
      aria-label={label}
      hidden={list.length === 0}
    >
      {list.map(([name, seen], index) => (
        <li
          key={name}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === at}
          // The field must not lose its focus before the click arrives.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => pick(name)}
        >
          <span class="clip">{name}</span>
          {seen !== null && <span class="muted num">{count(seen)}</span>}
        </li>
      ))}
    </ul>
  );
}
