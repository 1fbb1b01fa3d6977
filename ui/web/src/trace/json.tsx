//! The spans as they came, to read, to copy and to keep.

import { useEffect, useState } from 'preact/hooks';
import { bytes } from '../core/format';
import { t } from '../core/i18n';
import { Icon } from '../parts/icons';
import { Waiting } from '../parts/notice';
import { copy } from '../parts/toast';
import { columns, thread } from './state';

/** More text than this makes a browser slow; the rest is in the download. */
const SHOWN_MAX = 200_000;

/** Hands a text to the browser as a file. */
export function download(name: string, text: string, type: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export function JsonView() {
  const all = columns.value;
  const [json, setJson] = useState<string | null>(null);
  useEffect(() => {
    let mine = true;
    thread?.json().then((text) => mine && setJson(text), () => undefined);
    return () => {
      mine = false;
    };
  }, [all]);
  if (!all || json === null) return <Waiting />;
  return (
    <div class="json">
      <div class="sub-bar">
        <button
          type="button" class="button"
          onClick={() => download(`${all.traceId}.json`, json, 'application/json')}
        >
          <Icon name="download" />
          {t('json.download')}
        </button>
        <button type="button" class="button" onClick={() => void copy(json, 'JSON')}>
          <Icon name="copy" />
          {t('copy')}
        </button>
        <span class="muted num">{bytes(json.length)}</span>
        {json.length > SHOWN_MAX && <span class="muted">{t('json.part')}</span>}
      </div>
      <pre class="mono fill" tabIndex={0} role="region" aria-label="JSON">{json.slice(0, SHOWN_MAX)}</pre>
    </div>
  );
}
