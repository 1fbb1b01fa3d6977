// The form and the line are one query: what is typed in either counts, and what is refused is said.

import assert from 'node:assert/strict';
import { accessible, settled, until, watched } from './harness.mjs';

const line = (page) => page.inputValue('.line input');
const tag = (page) => page.getByRole('combobox', { name: 'Add a tag' });
const lineIs = (page, wanted) =>
  until(async () => (await line(page)) === wanted, `the line is ${wanted}`);

/** Counts the searches that are made from now on. */
function searches(page) {
  const made = { count: 0 };
  page.on('request', (request) => {
    if (request.url().includes('ui/v1/traces')) made.count += 1;
  });
  return made;
}

async function tagField({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d&limit=10'));
  await page.waitForSelector('.result');
  await tag(page).fill('region=eu-west-1');
  await tag(page).press('Enter');
  await lineIs(page, 'region=eu-west-1');
  assert.equal(await tag(page).inputValue(), '', 'it is free for the next one');
  assert.equal(await tag(page).evaluate((field) => field === document.activeElement), true);
  await tag(page).fill('http.method=GET');
  await page.getByRole('combobox', { name: 'Service', exact: true }).focus();
  await lineIs(page, 'region=eu-west-1 http.method=GET');
  await page.waitForSelector('.result');
  await page.getByRole('button', { name: 'Remove http.method=GET' }).press('Enter');
  await lineIs(page, 'region=eu-west-1');
  await page.waitForSelector('.result');
  const made = searches(page);
  for (const name of ['Service', 'Operation', 'Add a tag', 'Remote service']) {
    await page.getByRole('combobox', { name, exact: true }).focus();
  }
  // What the server writes small is not asked for anew each time that it is left.
  const service = page.getByRole('combobox', { name: 'Service', exact: true });
  await service.fill('Payment');
  await service.press('Enter');
  await lineIs(page, 'service=payment region=eu-west-1');
  await service.fill('PAYMENT');
  for (const name of ['Operation', 'Service', 'Operation', 'Service', 'Remote service']) {
    await page.getByRole('combobox', { name, exact: true }).focus();
  }
  await settled(page);
  assert.ok(made.count <= 2, `${made.count} searches`);
  await lineIs(page, 'service=payment region=eu-west-1');
  await at.end();
}

async function refused({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d&limit=10&annotationQuery=region%3Deu-west-1'));
  await page.waitForSelector('.result');
  const alert = page.locator('.form [role=alert]');
  for (const [text, said] of [
    ['region=us-east-1', /condition on “region” already/],
    ['http.path=', /empty value of “http.path”/],
  ]) {
    await tag(page).fill(text);
    await tag(page).press('Enter');
    assert.match(await alert.textContent(), said);
    assert.equal(await tag(page).inputValue(), text, 'it stays to be mended');
    assert.equal(await line(page), 'region=eu-west-1');
  }
  await accessible(page, 'a tag that is refused');
  // Once what it was refused beside is gone, the same is taken.
  await tag(page).fill('region=us-east-1');
  await tag(page).press('Enter');
  await alert.waitFor();
  await page.getByRole('button', { name: 'Remove region=eu-west-1' }).click();
  await lineIs(page, '');
  await until(async () => (await alert.count()) === 0, 'nothing is wrong any more');
  assert.equal(await tag(page).inputValue(), 'region=us-east-1');
  await tag(page).focus();
  await page.getByRole('combobox', { name: 'Service', exact: true }).focus();
  await lineIs(page, 'region=us-east-1');
  assert.equal(await tag(page).inputValue(), '');
  // A value takes the place of its key.
  await page.goto(backend.url('?lookback=1d&limit=10&annotationQuery=region'));
  await page.waitForSelector('.result');
  await tag(page).fill('region=eu-west-1');
  await tag(page).press('Enter');
  await lineIs(page, 'region=eu-west-1');
  assert.equal(await alert.count(), 0);
  await tag(page).fill('http.method=GET');
  assert.equal(await alert.count(), 0);
  await tag(page).press('Enter');
  await lineIs(page, 'region=eu-west-1 http.method=GET');
  for (const [text, said] of [
    ['region=a region=b', /on “region” already \(character 10\)/],
    ['x ""=""', /missing|empty/], ['region=""', /empty value of “region”.*character 1/],
  ]) {
    await page.fill('.line input', text);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#line-error');
    assert.match(await page.textContent('#line-error'), said, text);
  }
  // An address may hold what no line does: it is shown as it is searched for.
  await page.goto(backend.url('?lookback=1d&annotationQuery=region%3Da+and+region%3Deu-west-1'));
  await lineIs(page, 'region=eu-west-1');
  assert.match(await page.textContent('.query-card .line-error'), /left out: region=a/);
  assert.equal(await page.locator('.chip').count(), 1);
  await at.end();
}

/** Both lengths are settled together: what is shown is what is searched for. */
async function lengths({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  await page.goto(backend.url('?lookback=1d&limit=10'));
  const group = page.getByRole('group', { name: 'Span duration' });
  const settle = async (name, text) => {
    await group.getByLabel(name).fill(text);
    await group.getByLabel(name).press('Enter');
  };
  await settle('min', '2s');
  await lineIs(page, 'duration>=2s');
  await settle('max', '1s');
  assert.match(await group.textContent(), /least is more than the most/);
  await settle('min', '500us');
  await lineIs(page, 'duration>=500us duration<=1s');
  assert.equal(await group.getByLabel('max').inputValue(), '1s');
  assert.equal(await group.locator('[role=alert]').count(), 0);
  await settle('max', 'soon');
  await settle('min', '1ms');
  assert.equal(await line(page), 'duration>=500us duration<=1s', 'half a pair is no search');
  assert.equal(await group.getByLabel('max').getAttribute('aria-invalid'), 'true');
  await settle('max', '');
  await lineIs(page, 'duration>=1ms');
  // What was typed beside a bound is searched for once that is gone.
  await settle('max', '500us');
  assert.match(await group.textContent(), /least is more than the most/);
  await page.getByRole('button', { name: 'Remove Span duration ≥ 1ms' }).click();
  await lineIs(page, 'duration<=500us');
  assert.equal(await group.getByLabel('min').inputValue(), '');
  assert.equal(await group.locator('[role=alert]').count(), 0);
  await at.end();
}

/** What is typed and not searched for yet counts, whichever control asks next. */
async function typed({ chromium, backend }) {
  const at = await watched(chromium, backend);
  const { page } = at;
  const write = async (text) => {
    await page.fill('.line input', text);
    await page.keyboard.press('Escape');
  };
  await page.goto(backend.url('?lookback=2h&limit=10&annotationQuery=error+and+http.method%3DGET'));
  await page.waitForSelector('.chip');
  await write('error http.method=GET service=storefront');
  await page.getByRole('button', { name: 'Remove error' }).click();
  await lineIs(page, 'service=storefront http.method=GET');
  await page.waitForSelector('.result');
  await write('service=storefront');
  await page.locator('th.col-duration button').click();
  await page.waitForURL(/sort=duration/);
  await lineIs(page, 'service=storefront');
  await page.waitForSelector('[data-plot=histogram]');
  await page.waitForSelector('.result');
  await write('service=storefront remote=cart');
  const box = await page.locator('[data-plot=histogram]').boundingBox();
  await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 50, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/lookback=range/);
  await lineIs(page, 'service=storefront remote=cart');
  // What can't be read stays, with what is wrong.
  await page.waitForSelector('.result');
  await write('service=storefront "remote');
  await page.getByRole('button', { name: 'Remove Remote service: cart' }).click();
  await page.waitForSelector('#line-error');
  assert.equal(await line(page), 'service=storefront "remote');
  assert.ok(!page.url().includes('remoteServiceName'), page.url());
  await at.end();
}

export const form = [
  ['form: a tag is added once, and the field is free again', tagField],
  ['form: a second condition on a tag and an empty value are refused', refused],
  ['form: two lengths are settled together', lengths],
  ['form: what is typed counts, whichever control asks next', typed],
];
