//! What every page stands on, named once: a page that is loaded later imports this first, and the
//! bundler then keeps all of it in one file instead of one for each set of users. It adds nothing.

import 'preact';
import 'preact/hooks';
import 'preact/jsx-runtime';
import '@preact/signals';
import './core/api';
import './core/colors';
import './core/config';
import './core/format';
import './core/i18n';
import './core/keys';
import './core/prefs';
import './core/route';
import './i18n/en';
import './parts/boundary';
import './parts/combobox';
import './parts/focus';
import './parts/icons';
import './parts/memo';
import './parts/moments';
import './parts/notice';
import './parts/title';
import './parts/toast';
import './search/criteria';
import './search/line';
import './search/misread';
import './search/plots';
