// What a pointer can do, keys can: charts, the flame graph, the next error, the way out of a panel.

import assert from 'node:assert/strict';
import { accessible, settled, until, watched } from './harness.mjs';
import { NOW, opened, span, traceId } from './spans.mjs';

const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};

async function charts({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=2h&limit=1000'));
  const plot = (name) => page.locator('.plot', { has: page.locator(`[data-plot=${name}]`) });
  await plot('histogram').focus();
  await press(page, 'End', 'ArrowLeft');
  for (let k = 0; k < 3; k += 1) await press(page, 'Shift+PageUp');
  const hint = await plot('histogram').locator('output').textContent();
  const [, said] = hint.match(/^[-\d ]*\d\d:\d\d:\d\d – .*\d\d:\d\d:\d\d · (\d+) traces/);
  assert.ok(Number(said) > 10 && Number(said) < traces.length, hint);
  await accessible(page, 'a chart with a selection');
  await press(page, 'Enter');
  await page.waitForURL(/lookback=range/);
  await until(async () => Math.abs((await page.locator('.result').count()) - Number(said)) <= 1,
    `about ${said} are left`);
  await until(() => page.evaluate(() => document.activeElement?.className === 'plot'),
    'the focus stays with the chart');
  // Esc lets go; in the heat map Enter opens the trace of the cell.
  await plot('heat').focus();
  await press(page, 'ArrowLeft');
  assert.match(await plot('heat').locator('output').textContent(), /s – .*trace/);
  await press(page, 'Escape');
  assert.equal(await plot('heat').locator('output').textContent(), '');
  await press(page, 'ArrowLeft', 'Enter');
  await page.waitForURL(/traces\//);
  await page.waitForSelector('.wf-row');
  await page.goBack();
  await page.waitForSelector('[data-plot=heat]');
  await page.keyboard.press('?');
  await page.waitForSelector('dialog.help');
  assert.match(await page.textContent('dialog.help'), /A chart with the focus/);
  await at.end();
}

async function flame({ chromium, backend, traces }) {
  const trace = traces.find((one) => one.length > 20);
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${trace[0].traceId}?tab=flame`));
  await page.locator('.flame-scroll').focus();
  await press(page, 'ArrowDown');
  const root = trace.find((one) => !one.parentId);
  const hint = () => page.textContent('.flame output');
  assert.ok((await hint()).startsWith(`${root.localEndpoint.serviceName} ${root.name}`), await hint());
  await press(page, 'ArrowDown', 'ArrowDown', 'Enter');
  await page.waitForURL(/from=\d+&to=\d+|to=\d+/);
  await press(page, ' ');
  await page.waitForSelector('.detail');
  assert.ok((await hint()).includes(await page.textContent('.detail h2 .operation')));
  await page.locator('.flame-scroll').focus();
  await press(page, 'Escape');
  await until(() => !/from=/.test(page.url()), 'all is shown again');
  await accessible(page, 'the flame graph');
  await at.end();
}

async function closes({ chromium, backend, traces }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${traces[0][0].traceId}`));
  await page.waitForSelector('.wf-row');
  const role = () => page.evaluate(() => document.activeElement?.getAttribute('role'));
  for (const close of [() => press(page, 'Escape'), () => page.getByRole('button', { name: 'Close' }).click()]) {
    await page.locator('[role=treegrid]').press('Home');
    await press(page, 'Enter');
    await page.waitForSelector('.detail');
    await page.locator('.detail .icon-button').first().focus();
    await close();
    await page.waitForSelector('.detail', { state: 'detached' });
    await until(async () => (await role()) === 'treegrid', 'the focus is with the row');
  }
  await page.locator('body').press('4');
  await page.waitForSelector('.data');
  await page.evaluate(() => document.activeElement.blur());
  await at.end();
}

async function hiddenErrors(world) {
  const id = traceId();
  const now = NOW();
  const failed = { tags: { error: 'no' } };
  const at = await opened(world, [
    span(id, '1', null, now, 500_000), span(id, '2', '1', now, 50, failed),
    span(id, '3', '1', now + 10, 200_000, failed), span(id, '4', '1', now + 20, 60, failed),
  ], '?min=1000');
  const { page } = at;
  const selected = () => page.getAttribute('.wf-row.selected', 'data-span');
  await page.locator('body').press('e');
  await page.waitForSelector('.wf-row.selected');
  assert.equal(await selected(), '3'.padStart(16, '0'));
  await until(async () => /2 more are hidden/.test(await page.textContent('.toast')), 'it is said');
  await page.locator('body').press('e');
  await settled(page);
  assert.equal(await selected(), '3'.padStart(16, '0'), 'there is no other to be seen');
  // What was chosen by name is shown, and the filter lifted with a word.
  await page.locator('body').press('5');
  await page.locator('#tab-json').click();
  await page.goto(`${page.url().split('?')[0]}?min=1000000&tab=table`);
  await page.locator('.data tbody button', { hasText: 'op 4' }).click();
  await until(async () => (await page.locator('.wf-row.selected').count()) === 1, 'it is shown');
  assert.equal(await selected(), '4'.padStart(16, '0'));
  assert.match(await page.textContent('.toast'), /filter was lifted/);
  await at.end();
}

/** The page stays from one trace to the next; what a key asks for is the one that is open. */
async function refreshed({ chromium, backend, traces }) {
  const [first, second] = [traces[0][0].traceId, traces[1][0].traceId];
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url(`traces/${first}`));
  await page.waitForSelector('.wf-row');
  await page.fill('#id-box', second);
  await press(page, 'Enter');
  await until(async () => (await page.textContent('.trace-actions .id').catch(() => '')) === second,
    'the second trace is open');
  await page.locator('[role=treegrid]').focus();
  const asked = page.waitForRequest(/v2\/trace\//);
  await press(page, 'r');
  assert.ok((await asked).url().endsWith(second), (await asked).url());
  await settled(page);
  assert.equal(await page.textContent('.trace-actions .id'), second);
  await at.end();
}

/** The palette scrolls to what is chosen, however many commands there are. */
async function palette({ chromium, backend, traces }) {
  const at = await watched(chromium, backend, { viewport: { width: 1280, height: 500 } });
  const { page } = at;
  await page.goto(backend.url(`traces/${traces[0][0].traceId}`));
  await page.waitForSelector('.wf-row');
  await press(page, 'Control+K');
  await page.waitForSelector('dialog.palette [role=option]');
  await press(page, 'ArrowUp');
  const seen = () => page.evaluate(() => {
    const list = document.querySelector('#palette-list');
    const [box, item] = [list, list.querySelector('[aria-selected=true]')]
      .map((one) => one.getBoundingClientRect());
    return list.lastElementChild.ariaSelected === 'true' && list.scrollHeight > list.clientHeight &&
      item.top >= box.top - 1 && item.bottom <= box.bottom + 1;
  });
  await until(seen, 'the last command is chosen, and seen');
  await at.end();
}

/** Without single letters no letter does anything, small or large. */
async function noLetters({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('status'));
  await page.waitForSelector('.tile');
  await page.keyboard.press('?');
  await page.getByLabel('Single letters are shortcuts').uncheck();
  await page.keyboard.press('Escape');
  const zone = await page.inputValue('#zone');
  await press(page, 'Shift+T', 't');
  await settled(page);
  assert.equal(await page.inputValue('#zone'), zone);
  await at.end();
}

export const keys = [
  ['keys: the palette shows what is chosen', palette],
  ['keys: letters that are turned off rest, capitals too', noLetters],
  ['keys: a refresh is of the trace that is open', refreshed],
  ['keys: charts are narrowed', charts],
  ['keys: the flame graph is walked and zoomed', flame],
  ['keys: a closed panel gives the focus back', closes],
  ['keys: the next error is one that is shown', hiddenErrors],
];
