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
  const isCopied = await written(text) || selectedAndCopied(text);
  say(!isCopied ? t('copied.not') : what ? t('copied.what', { what }) : t('copied'));
}

async function written(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP there is no such thing, except on this very machine.
    return false;
  }
}

/** Copies as a person would, which browsers allow everywhere: the text is selected in a field. */
function selectedAndCopied(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement('textarea');
  field.className = 'sr copying';
  field.readOnly = true;
  field.value = text;
  // Outside of an open dialog nothing can have the focus.
  (before?.closest('dialog') ?? document.body).append(field);
  field.focus({ preventScroll: true });
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return isCopied;
}

export function Toast() {
  return (
    <div class={said.value ? 'toast shown' : 'toast'} role="status" aria-live="polite">
      {said.value}
    </div>
  );
}
