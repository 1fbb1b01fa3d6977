//! Short words about what was just done ("copied"), also for screen readers.

import { signal } from '@preact/signals';
import { t } from '../core/i18n';

const SHOWN_MS = 2200;
const said = signal('');
let timer = 0;

/** Says something for a moment. */
export function say(text: string): void {
  said.value = text;
  clearTimeout(timer);
  timer = setTimeout(() => {
    said.value = '';
  }, SHOWN_MS);
}

/** Copies a text and says so, or why not. */
export async function copy(text: string, what?: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(what ? t('copied.what', { what }) : t('copied'));
  } catch {
    say(t('copied.not'));
  }
}

export function Toast() {
  return (
    <div class={said.value ? 'toast shown' : 'toast'} role="status" aria-live="polite">
      {said.value}
    </div>
  );
}
