//! Words in the language that is chosen. A catalogue has the same keys in each language, which the
//! compiler checks; plural forms stand in one text, parted by `||`.

import { effect, signal } from '@preact/signals';
import { en } from '../i18n/en';
import { language, type Language } from './prefs';

export type Catalogue = Record<keyof typeof en, string>;
export type Key = keyof typeof en;

const catalogues = signal<Partial<Record<Language, Catalogue>>>({ en });

/** Loads the catalogue of a language unless it is there. */
export async function loadLanguage(wanted: Language): Promise<void> {
  if (catalogues.peek()[wanted]) return;
  const { zh } = await import('../i18n/zh');
  catalogues.value = { ...catalogues.peek(), zh };
}

/** Keeps the document's language attribute, and loads catalogues as they are chosen. */
export function startLanguage(): void {
  effect(() => {
    const wanted = language.value;
    document.documentElement.lang = wanted === 'zh' ? 'zh-CN' : 'en';
    loadLanguage(wanted).catch(() => {
      // The words stay English then, and are asked for again with the next choice.
      document.documentElement.lang = 'en';
    });
  });
}

/** Returns the text of a key; `n` among the parameters decides the plural form. */
export function t(key: Key, params?: Record<string, string | number>): string {
  const catalogue = catalogues.value[language.value] ?? en;
  return fill(catalogue[key], params, language.value);
}

/** Fills a text's places; apart, so that it can be tested. */
export function fill(
  text: string,
  params: Record<string, string | number> | undefined,
  locale: string,
): string {
  let form = text;
  if (text.includes('||')) {
    const [one, other] = text.split('||');
    const n = Number(params?.count ?? params?.n);
    form = new Intl.PluralRules(locale).select(n) === 'one' ? one : other;
  }
  if (!params) return form;
  return form.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in params ? String(params[name]) : whole,
  );
}
