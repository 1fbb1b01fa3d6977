//! Starts the page: theme and language first, then the configuration, then what the address says.

import './kernel';
import { effect } from '@preact/signals';
import { render } from 'preact';
import { App, mendAddress } from './app';
import { loadConfig } from './core/config';
import { loadLanguage, startLanguage } from './core/i18n';
import { startKeys } from './core/keys';
import { language, startTheme } from './core/prefs';
import { takeLinks } from './core/route';
import { Boundary } from './parts/boundary';
import { takeLine } from './search/address';

startTheme();
await Promise.all([loadConfig(), loadLanguage(language.peek()).catch(() => undefined)]);
startLanguage();
effect(mendAddress);
takeLine();
takeLinks();
startKeys();
const root = document.getElementById('app');
// The last resort, for the frame itself; each page has its own.
if (root) render(<Boundary of={[]} isPage><App /></Boundary>, root);
