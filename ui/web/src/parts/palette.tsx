//! The palette (Ctrl/Cmd+K): every command and every shortcut of the open page by name, and trace
//! ids and queries as they are typed.

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../core/i18n';
import { addShortcuts, shortcuts, type Shortcut } from '../core/keys';
import { clock, isDark, theme, zone } from '../core/prefs';
import { go } from '../core/route';
import { parseLine, traceIdOf } from '../search/line';
import { helpShown, keysOf } from './help';

const shown = signal(false);

interface Command {
  text: string;
  keys: string[];
  run: () => void;
}

addShortcuts({
  title: 'keys.display',
  list: [
    { key: 'mod+k', text: 'keys.palette', run: () => { shown.value = !shown.peek(); } },
    { key: '?', text: 'help.title', run: () => { helpShown.value = true; } },
    {
      key: 'd', text: 'keys.theme',
      run: () => { theme.value = isDark() ? 'light' : 'dark'; },
    },
    {
      key: 't', text: 'keys.clock',
      run: () => { clock.value = clock.peek() === 'relative' ? 'absolute' : 'relative'; },
    },
    {
      key: 'shift+t', text: 'keys.zone',
      run: () => { zone.value = zone.peek() === 'local' ? 'UTC' : 'local'; },
    },
  ],
});

function commands(text: string): Command[] {
  const id = traceIdOf(text);
  const found: Command[] = [];
  if (id) found.push({ text: t('palette.trace', { id }), keys: [], run: () => go(`traces/${id}`) });
  const low = text.toLowerCase().trim();
  const of = (one: Shortcut): Command => ({
    text: t(one.text), keys: keysOf(one.key), run: one.run,
  });
  for (const group of shortcuts()) {
    if (group.isLocal) continue;
    for (const one of group.list) {
      if (one.key !== 'mod+k' && t(one.text).toLowerCase().includes(low)) found.push(of(one));
    }
  }
  if (low && !id && parseLine(text).filters) {
    const line = text.trim();
    found.push({ text: t('palette.search', { line }), keys: [], run: () => go('', { line }) });
  }
  return found;
}

export function Palette() {
  return shown.value ? <Open /> : null;
}

function Open() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  useEffect(() => dialog.current?.showModal(), []);
  const list = commands(text);
  const here = Math.min(at, list.length - 1);
  useEffect(() => {
    document.getElementById(`palette-${here}`)?.scrollIntoView({ block: 'nearest' });
  }, [here, text]);
  const run = (command: Command | undefined) => {
    dialog.current?.close();
    command?.run();
  };
  return (
    <dialog
      ref={dialog} class="palette" aria-label={t('keys.palette')}
      onClose={() => {
        shown.value = false;
      }}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current?.close();
      }}
      onKeyDown={(event) => {
        if (event.key === 'ArrowDown') setAt((here + 1) % Math.max(1, list.length));
        else if (event.key === 'ArrowUp') setAt((here - 1 + list.length) % Math.max(1, list.length));
        else if (event.key === 'Enter') run(list[here]);
        else return;
        event.preventDefault();
      }}
    >
      <input
        type="text" role="combobox" aria-expanded="true" aria-controls="palette-list"
        aria-activedescendant={here >= 0 ? `palette-${here}` : undefined}
        aria-label={t('palette.label')} placeholder={t('palette.label')} value={text}
        autocomplete="off" spellcheck={false}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
      />
      <ul id="palette-list" role="listbox" aria-label={t('keys.palette')}>
        {list.map((command, index) => (
          <li
            key={command.text + index} id={`palette-${index}`} role="option"
            aria-selected={index === here} onClick={() => run(command)}
          >
            <span class="clip">{command.text}</span>
            <span>{command.keys.map((key) => <kbd key={key}>{key}</kbd>)}</span>
          </li>
        ))}
      </ul>
    </dialog>
  );
}
