//! The list of shortcuts, and the switch that turns single letters off.

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../core/i18n';
import { shortcuts } from '../core/keys';
import { letters } from '../core/prefs';
import { Icon } from './icons';

export const helpShown = signal(false);

/** Returns the keys of a shortcut as they are printed on a keyboard. */
export function keysOf(key: string): string[] {
  const names: Record<string, string> = {
    shift: '⇧', mod: /mac/i.test(navigator.platform) ? '⌘' : 'Ctrl', ArrowUp: '↑', ArrowDown: '↓',
    ArrowLeft: '←', ArrowRight: '→', Arrow: '← → ↑ ↓', Escape: 'Esc',
  };
  return key.split(/[ +](?=.)/).map((part) => names[part] ?? part);
}

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog} class="help" aria-labelledby="help-title"
      onClose={() => {
        helpShown.value = false;
      }}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current?.close();
      }}
    >
      <div class="dialog-head">
        <h2 id="help-title">{t('help.title')}</h2>
        <button
          type="button" class="icon-button" aria-label={t('close')}
          onClick={() => dialog.current?.close()}
        >
          <Icon name="close" />
        </button>
      </div>
      <div class="help-groups">
        {shortcuts().map((group) => (
          <section key={group.title}>
            <h3>{t(group.title)}</h3>
            <dl>
              {group.list.map((one) => (
                <div key={one.key}>
                  <dt>{keysOf(one.key).map((key) => <kbd key={key}>{key}</kbd>)}</dt>
                  <dd>{t(one.text)}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <label class="check">
        <input
          type="checkbox" checked={letters.value === 'on'}
          onChange={(event) => {
            letters.value = event.currentTarget.checked ? 'on' : 'off';
          }}
        />
        {t('help.letters')}
      </label>
    </dialog>
  );
}
