// Logging in, finding things, and being refused.

import { URL, ensure, gone, login, picture, seen, text, until, visit, watch } from '../kit.mjs';

async function wrongPassword(browser) {
  const context = await browser.newContext({ locale: 'en-GB' });
  const bad = watch(context);
  const page = await context.newPage();
  // An address without a session: the login comes first, and the address afterwards.
  await page.goto(`${URL}/apps/shop/web?do=scale`);
  await seen(page.getByRole('heading', { name: 'Log in' }));
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await seen(text(page, 'Type your name'));
  await login(page, 'ann', 'wrong');
  await seen(page.getByRole('alert').filter({ hasText: 'not its password' }));
  ensure((await page.getByLabel('Name', { exact: true }).inputValue()) === 'ann', 'the name that was typed is gone');
  await login(page, 'ann');
  await seen(page.getByRole('dialog', { name: 'Scale shop/web' }));
  const kept = await page.evaluate(() => [localStorage, sessionStorage].map((s) => JSON.stringify(s).includes('fnps_')));
  ensure(kept[0] === false && kept[1] === true, `the token is kept in ${kept}`);
  await page.keyboard.press('Escape');
  await gone(page.getByRole('dialog'));
  await page.getByRole('button', { name: 'Log out' }).click();
  await seen(page.getByRole('heading', { name: 'Log in' }));
  return { context, page, bad };
}

async function find(page) {
  await seen(page.getByRole('link', { name: 'shop/web' }));
  const rows = page.getByRole('table', { name: 'Apps' }).getByRole('row');
  // The head is a row too.
  await until('five applications', async () => (await rows.count()) === 6);
  await seen(text(page, '4 of 4'));
  await page.getByRole('heading', { name: 'Apps' }).click();
  await page.keyboard.press('/');
  await page.keyboard.type('worker git.example');
  await until('one application', async () => (await rows.count()) === 2);
  ensure(new globalThis.URL(page.url()).searchParams.get('q') === 'worker git.example', `the address is ${page.url()}`);
  await page.reload();
  await seen(page.getByRole('link', { name: 'shop/mail-worker' }));
  await page.getByLabel('Search').fill('atlantis');
  await seen(text(page, 'No application has all of the words “atlantis”.'));
  await page.getByRole('button', { name: 'Show all' }).click();
  await seen(page.getByRole('link', { name: 'shop/web' }));
}

async function keys(page) {
  await page.getByRole('heading', { name: 'Apps' }).click();
  await page.keyboard.press('?');
  await seen(page.getByRole('dialog', { name: 'Help' }));
  await page.keyboard.press('Escape');
  await gone(page.getByRole('dialog'));
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await seen(page.getByRole('heading', { name: 'Clusters' }));
  await page.keyboard.press('/');
  await until('the search has the focus', () => page.getByLabel('Search').evaluate((field) => field === document.activeElement));
}

async function clusters(page) {
  await page.getByRole('link', { name: 'Clusters' }).click();
  for (const name of ['one', 'two']) {
    const one = page.getByRole('region', { name, exact: true });
    await seen(one.getByText('Answers'));
    const row = one.getByRole('row').nth(1);
    ensure(/mixed/.test(await row.innerText()), `its headroom is ${await row.innerText()}`);
    // Two nodes with twelve addresses each, none of which is requested here.
    await seen(row.getByRole('cell', { name: '24', exact: true }));
  }
  await picture(page, 'clusters');
}

async function app(page) {
  await page.goto(`${URL}/apps/shop/web`);
  const table = page.getByRole('table', { name: /^Revision / });
  await until('four instances', async () => (await table.getByRole('row').count()) === 5);
  for (const words of ['In service', /^127\.1\./, /one-[12]/, /two-[12]/]) await seen(table.getByText(words));
  await seen(page.getByRole('table', { name: 'Releases' }).getByRole('link', { name: 'web-1' }));
}

async function others(page) {
  await page.getByRole('link', { name: 'Templates' }).click();
  await page.getByRole('link', { name: 'plain@1' }).click();
  await seen(text(page, 'registry.example/shop/web@{{ .digest }}'));
  // Ann may see her team's changes, and not everybody's.
  await page.getByRole('link', { name: 'Audit' }).click();
  await seen(page.getByRole('alert').filter({ hasText: 'local:ann may not get audits' }));
  await page.getByLabel('Team').fill('shop');
  await page.getByRole('button', { name: 'Filter' }).click();
  await seen(text(page, 'No change was asked for.'));
  await page.getByRole('link', { name: 'Claims' }).click();
  await seen(page.getByRole('alert').filter({ hasText: 'local:ann may not' }));
  await page.goto(`${URL}/nowhere/at/all`);
  await seen(page.getByRole('heading', { name: 'This page does not exist' }));
  await page.goto(`${URL}/apps/shop/nothing`);
  await seen(page.getByRole('alert').filter({ hasText: 'nothing' }));
}

/** What the server sends by itself: pages, files, and the API's refusals, which are never a page. */
async function served(page) {
  const get = async (path) => {
    const answer = await page.request.get(`${URL}${path}`);
    return { status: answer.status(), headers: answer.headers(), text: await answer.text() };
  };
  const shown = await get('/apps/shop/web');
  ensure(shown.status === 200 && shown.headers['cache-control'] === 'no-cache', `a page is ${JSON.stringify(shown)}`);
  ensure(/default-src 'none'.*frame-ancestors 'none'/.test(shown.headers['content-security-policy']), 'a page has no policy');
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(shown.text)?.[1];
  const file = await get(script);
  ensure(/immutable/.test(file.headers['cache-control']) && file.headers['content-encoding'] === 'gzip', `a script is ${JSON.stringify(file.headers)}`);
  const [lost, refused] = [await get('/assets/gone.js'), await get('/api/v1/nothing')];
  ensure(lost.status === 404 && !lost.text.includes('<html'), `a file that is not there is ${lost.text}`);
  ensure(refused.status === 404 && refused.headers['content-type'] === 'application/problem+json', `the API says ${refused.text}`);
}

async function eve(browser) {
  const window = await visit(browser, 'eve', '/');
  await seen(text(window.page, 'You may see no application yet.'));
  await window.page.goto(`${URL}/apps/shop/web`);
  await seen(window.page.getByRole('alert').filter({ hasText: 'local:eve may not get apps' }));
  return window;
}

async function byToken(browser, page) {
  const token = await page.evaluate(() => JSON.parse(sessionStorage.getItem('flatnet.session')).token);
  const context = await browser.newContext({ locale: 'en-GB' });
  const bad = watch(context);
  const other = await context.newPage();
  await other.goto(URL);
  await other.getByRole('button', { name: 'With a token instead' }).click();
  await other.getByLabel('Token').fill('nonsense');
  await other.getByRole('button', { name: 'Log in', exact: true }).click();
  await seen(other.getByRole('alert'));
  await other.getByLabel('Token').fill(token);
  await other.getByRole('button', { name: 'Log in', exact: true }).click();
  await seen(text(other, 'Logged in as local:ann'));
  return { context, page: other, bad };
}

export async function play(browser) {
  const first = await wrongPassword(browser);
  const ann = await visit(browser, 'ann');
  await find(ann.page);
  await keys(ann.page);
  await clusters(ann.page);
  await app(ann.page);
  await others(ann.page);
  await served(ann.page);
  return [first, ann, await eve(browser), await byToken(browser, ann.page)];
}
