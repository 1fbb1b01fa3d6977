//! What a region says when it has nothing to show: empty, waiting, failed. Never nothing.

import type { ComponentChildren } from 'preact';
import { AskError } from '../core/api';
import { moment } from '../core/format';
import { t } from '../core/i18n';
import { focusPage } from './focus';
import { Icon } from './icons';

/** A part of the page itself could not be loaded. */
export class PartError extends Error {}

/** Returns what a failure means for whoever looks at the page. */
export function failureText(error: unknown): string {
  if (error instanceof PartError) return t('fail.part');
  if (!(error instanceof AskError)) return t('fail.page', { text: String(error) });
  if (error.status === 0) return error.said === 'cut' ? t('fail.cut') : t('fail.down');
  if (error.status === 413) return t('fail.large');
  if (error.status === 429 || error.status === 503) return t('fail.busy');
  if (error.status === 400) return t('fail.refused');
  if (error.status === 404) return t('fail.missing');
  return t('fail.status', { status: error.status });
}

interface FailureProps {
  error: unknown;
  retry?: () => void;
  /** Since when what is shown all the same is old, in milliseconds since the epoch. */
  stillOfMs?: number;
}

/** A failure, in words, with a way to try again. */
export function Failure({ error, retry, stillOfMs }: FailureProps) {
  const said = error instanceof AskError && error.said !== 'cut' ? error.said : '';
  return (
    <div class="notice failure" role="alert">
      <Icon name="error" />
      <div class="notice-text">
        <p>{failureText(error)}</p>
        {stillOfMs !== undefined && (
          <p>{t('fail.still', { when: moment(stillOfMs) })}</p>
        )}
        {said && <p class="muted mono clip">{said.slice(0, 400)}</p>}
      </div>
      {retry && <Again retry={retry} />}
    </div>
  );
}

/** Tries again what failed; the button may be gone then, and its focus goes to the page. */
export function Again({ retry }: { retry: () => void }) {
  return (
    <button
      type="button" class="button"
      onClick={() => {
        retry();
        requestAnimationFrame(focusPage);
      }}
    >
      <Icon name="refresh" />
      {t('retry')}
    </button>
  );
}

/** A region that waits; it says so to screen readers too. */
export function Waiting({ text }: { text?: string }) {
  return (
    <div class="notice waiting" role="status">
      <span class="spinner" aria-hidden="true" />
      <p>{text ?? t('waiting')}</p>
    </div>
  );
}

/** A region with nothing in it, and why. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="notice empty" role="status">
      <div class="notice-text">
        <p class="notice-title">{title}</p>
        {children}
      </div>
    </div>
  );
}
