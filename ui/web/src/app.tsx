//! The frame around every page: the bar with places and settings, and the page that the address
//! names. Pages other than the search are loaded when they are first opened.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { config } from './core/config';
import { t } from './core/i18n';
import { language, theme, zone, type Language, type Theme } from './core/prefs';
import { address, go, isEmbedded, place, rewrite } from './core/route';
import { Boundary } from './parts/boundary';
import { focusPage } from './parts/focus';
import { Icon, type IconName } from './parts/icons';
import { Failure, Waiting } from './parts/notice';
import { useTitle } from './parts/title';
import { Toast } from './parts/toast';
import { LineProblem } from './search/bar';
import { parseLine, traceIdOf, type LineError } from './search/line';
import { SearchPage } from './search/page';
import { Help, helpShown } from './parts/help';
import { Palette } from './parts/palette';

type PageName = 'search' | 'trace' | 'upload' | 'dependency' | 'status' | 'missing';

const LAZY: Partial<Record<PageName, () => Promise<ComponentType>>> = {
  trace: () => import('./trace/page').then((module) => module.TracePage),
  upload: () => import('./trace/page').then((module) => module.UploadPage),
  dependency: () => import('./graph/page').then((module) => module.DependencyPage),
  status: () => import('./status/page').then((module) => module.StatusPage),
};

/** Returns which page a path is. */
export function pageOf(path: string): PageName {
  if (path === '' || path === 'index.html') return 'search';
  if (/^traces?\/[^/]+$/.test(path)) return 'trace';
  if (path === 'traceViewer') return 'upload';
  if (path === 'dependency' || path === 'dependencies') return 'dependency';
  return path === 'status' ? 'status' : 'missing';
}

const loaded = signal<Partial<Record<PageName, ComponentType>>>({ search: SearchPage });
const loadFailure = signal<unknown>(null);

function load(name: PageName): void {
  loadFailure.value = null;
  LAZY[name]?.().then(
    (page) => {
      loaded.value = { ...loaded.peek(), [name]: page };
    },
    (error: unknown) => {
      loadFailure.value = error;
    },
  );
}

export function App() {
  const name = pageOf(place.value.path);
  const Page = loaded.value[name];
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!loaded.peek()[name]) load(name);
  }, [name]);
  const { path, params } = place.value;
  const focused = useRef(path);
  useEffect(() => {
    if (!Page || focused.current === path) return;
    focused.current = path;
    // A frame later, so that a page that knows a better place, such as a row, comes first.
    requestAnimationFrame(focusPage);
  }, [Page, path]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        main.current?.focus();
      }}>
        {t('skip')}
      </a>
      {!isEmbedded() && <TopBar name={name} />}
      <main id="main" ref={main} tabIndex={-1} class={`page page-${name}`}>
        <Boundary of={[name, path, params.toString()]} isPage>
          {Page ? <Page /> : name === 'missing' ? <Missing /> : loadFailure.value ? (
            <Failure error={loadFailure.value} retry={() => load(name)} />
          ) : <Waiting />}
        </Boundary>
      </main>
      <Toast />
      {helpShown.value && <Help />}
      <Palette />
    </>
  );
}

function Missing() {
  useTitle(t('title.missing'));
  return (
    <div class="card">
      <h1>{t('title.missing')}</h1>
      <p><a href={address('')}>{t('missing.back')}</a></p>
    </div>
  );
}

function TopBar({ name }: { name: PageName }) {
  const { environment, supportUrl, dependency } = config.value;
  const support = supportUrl && /^https?:\/\//i.test(supportUrl) ? supportUrl : null;
  return (
    <header class="top">
      <a class="brand" href={address('')} aria-label={t('brand.home')}>
        <Logo />
        <span class="brand-name">Speargun</span>
        {environment && <span class="environment">{environment}</span>}
      </a>
      <nav aria-label={t('nav.label')}>
        <Link to="" icon="search" text={t('nav.search')} here={name === 'search'} />
        {dependency.enabled && (
          <Link
            to="dependency" icon="graph" text={t('nav.dependency')} here={name === 'dependency'}
          />
        )}
        <Link to="status" icon="pulse" text={t('nav.status')} here={name === 'status'} />
        <Link to="traceViewer" icon="upload" text={t('nav.file')} here={name === 'upload'} />
      </nav>
      {name !== 'search' && <IdBox />}
      <div class="settings">
        {support && <a href={support} rel="noreferrer" target="_blank">{t('support')}</a>}
        <Settings />
      </div>
    </header>
  );
}

interface LinkProps {
  to: string;
  icon: IconName;
  text: string;
  here: boolean;
}

function Link({ to, icon, text, here }: LinkProps) {
  return (
    <a class="nav-link" href={address(to)} aria-current={here ? 'page' : undefined}>
      <Icon name={icon} />
      <span>{text}</span>
    </a>
  );
}

/** A spear's head in a ring. */
function Logo() {
  return (
    <svg class="logo" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <rect width="24" height="24" rx="6" fill="currentColor" />
      <path class="logo-mark" d="M5 17.6 13.2 9.4 11 7.2 19 5l-2.2 8-2.2-2.200L6.4 19 5 17.600Z" />
    </svg>
  );
}

/** Opens a trace by its id, or searches, from any page but the search itself. */
function IdBox() {
  const [text, setText] = useState('');
  const [error, setError] = useState<LineError | null>(null);
  return (
    <form
      class="id-box" role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const id = traceIdOf(text);
        const wrong = id ? null : parseLine(text).error;
        setError(wrong);
        if (wrong) return;
        if (id) go(`traces/${id}`);
        else if (text.trim()) go('', { line: text.trim() });
        setText('');
      }}
    >
      <label class="sr" for="id-box">{t('nav.open')}</label>
      <Icon name="search" />
      <input
        id="id-box" type="text" data-omnibox placeholder={t('nav.open')} value={text}
        autocomplete="off" spellcheck={false} aria-invalid={error !== null}
        aria-describedby={error ? 'line-error' : undefined}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setError(null);
        }}
      />
      {error && <LineProblem error={error} />}
    </form>
  );
}

const ZONES = [
  'UTC', 'America/Los_Angeles', 'America/New_York', 'America/Sao_Paulo', 'Europe/London',
  'Europe/Berlin', 'Asia/Kolkata', 'Asia/Shanghai', 'Asia/Tokyo', 'Australia/Sydney',
];

function Settings() {
  const zones = ZONES.includes(zone.value) || zone.value === 'local'
    ? ZONES : [...ZONES, zone.value];
  return (
    <>
      <label class="sr" for="zone">{t('settings.zone')}</label>
      <select
        id="zone" class="quiet" value={zone.value} title={t('settings.zone')}
        onChange={(event) => {
          zone.value = event.currentTarget.value;
        }}
      >
        <option value="local">{t('settings.local')}</option>
        {zones.map((name) => <option key={name} value={name}>{name}</option>)}
      </select>
      <label class="sr" for="language">{t('settings.language')}</label>
      <select
        id="language" class="quiet" value={language.value} title={t('settings.language')}
        onChange={(event) => {
          language.value = event.currentTarget.value as Language;
        }}
      >
        <option value="en" lang="en">English</option>
        <option value="zh" lang="zh-CN">简体中文</option>
      </select>
      <label class="sr" for="theme">{t('settings.theme')}</label>
      <select
        id="theme" class="quiet" value={theme.value} title={t('settings.theme')}
        onChange={(event) => {
          theme.value = event.currentTarget.value as Theme;
        }}
      >
        <option value="auto">{t('settings.auto')}</option>
        <option value="light">{t('settings.light')}</option>
        <option value="dark">{t('settings.dark')}</option>
      </select>
      <button
        type="button" class="icon-button" aria-label={t('help.title')} title={t('help.title')}
        onClick={() => {
          helpShown.value = true;
        }}
      >
        <Icon name="help" />
      </button>
    </>
  );
}

/** Old addresses of traces are rewritten, so that what people copy is the lasting form. */
export function mendAddress(): void {
  const { path, params, hash } = place.value;
  const id = /^traces?\/([^/]+)$/.exec(path)?.[1];
  const lasting = id && /^[0-9a-f]+$/i.test(id) ? `traces/${id.toLowerCase()}` : path;
  if (lasting !== path) rewrite(params, lasting);
  // Who names a span behind the mark means that one, whatever was looked at before.
  if (/^[0-9a-f]{16}(-s)?$/i.test(hash) && pageOf(path) === 'trace') {
    const next = new URLSearchParams(params);
    next.set('spanId', hash.toLowerCase());
    rewrite(next, place.peek().path);
  }
}
