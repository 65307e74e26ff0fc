// Every page in both themes and languages: axe finds nothing, and nothing is wider than the screen.

import axe from 'axe-core';

import { URL, ensure, picture, say, seen, start, text, visit, watch } from '../kit.mjs';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const WIDTHS = [[1280, 800], [390, 844]];
const MODES = [['light', 'en'], ['dark', 'en'], ['light', 'zh'], ['dark', 'zh']];

/** Names of pages, addresses, and what is there when they are loaded (the same in both languages). */
const pages = (waiting) => [
  ['apps', '/apps', (p) => p.getByRole('link', { name: 'shop/web' })],
  ['apps-none', '/apps?q=atlantis', (p) => p.getByText('atlantis')],
  ['app', '/apps/shop/web', (p) => p.getByRole('link', { name: 'web-1', exact: true })],
  ['app-start', '/apps/shop/web?do=start', (p) => p.getByRole('dialog')],
  ['app-scale', '/apps/shop/web?do=scale', (p) => p.getByRole('dialog')],
  ['app-rollback', '/apps/shop/web?do=rollback', (p) => p.getByRole('dialog')],
  ['release', `/apps/shop/web/releases/${waiting}`, (p) => p.getByText('probe /health').or(p.locator('.timeline li').nth(2))],
  ['release-over', '/apps/shop/web/releases/web-3', (p) => p.locator('.timeline li').nth(2)],
  ['clusters', '/clusters', (p) => p.getByRole('heading', { name: 'two' })],
  ['claims', '/claims', (p) => p.getByRole('link', { name: 'shop/web' })],
  ['templates', '/templates', (p) => p.getByRole('link', { name: 'plain@1' })],
  ['template', '/templates/plain/1', (p) => p.getByText('podTemplate')],
  ['audit', '/audit', (p) => p.getByText('release.abort').first()],
  ['refused', '/apps/shop/nothing', (p) => p.getByRole('alert')],
  ['lost', '/nowhere', (p) => p.getByRole('heading', { level: 1 })],
];

async function violations(page, where) {
  const found = await page.evaluate(async (tags) => {
    const { violations } = await globalThis.axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
    return violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.any.map((a) => a.message).join('; ')}`));
  }, TAGS);
  return found.map((one) => `${where}: ${one}`);
}

/** The widest thing that is wider than the screen. */
async function tooWide(page, where) {
  const wide = await page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return null;
    const all = [...document.querySelectorAll('body *')];
    const out = all.find((e) => e.getBoundingClientRect().right > root.clientWidth + 1);
    return `${root.scrollWidth} px of ${root.clientWidth}: ${out?.outerHTML.slice(0, 160)}`;
  });
  return wide ? [`${where}: ${wide}`] : [];
}

/** Theme and language as another tab would change them: the page follows, and what is open stays open. */
async function dress(page, [theme, lang]) {
  await page.evaluate(
    (kept) => {
      for (const [key, value] of kept) {
        localStorage.setItem(key, value);
        window.dispatchEvent(new StorageEvent('storage', { key, newValue: value, storageArea: localStorage }));
      }
    },
    [['mantine-color-scheme-value', theme], ['flatnet.lang', lang]],
  );
  await page.waitForFunction(
    ([scheme, language]) => {
      const { dataset, lang } = document.documentElement;
      return dataset.mantineColorScheme === scheme && lang.startsWith(language);
    },
    [theme, lang],
  );
}

/** A page in every mode; what is wrong with it. */
async function look(page, name) {
  const found = [];
  await page.evaluate(axe.source);
  for (const [theme, lang] of MODES) {
    await dress(page, [theme, lang]);
    const both = (lang === 'en') === (theme === 'light');
    for (const [width, height] of WIDTHS) {
      const where = `${name} ${theme} ${lang} ${width} px`;
      await page.setViewportSize({ width, height });
      found.push(...(await tooWide(page, where)));
      // On a phone once in each theme and language: what axe sees there is the same.
      if (width === 1280 || both) found.push(...(await violations(page, where)));
      if (both) await picture(page, `pages/${name}-${theme}-${lang}-${width}`, { fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  return found;
}

export async function play(browser) {
  const ops = await visit(browser, 'ops', '/apps/shop/web');
  const waiting = await start(ops.page, 5);
  await seen(text(ops.page, 'A human gate waits'));
  const session = await ops.page.evaluate(() => sessionStorage.getItem('flatnet.session'));
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' });
  const bad = watch(context);
  await context.addInitScript((kept) => {
    // Not on the empty page before the first one, which has no storage.
    if (location.protocol === 'http:' && location.pathname !== '/login') sessionStorage.setItem('flatnet.session', kept);
  }, session);
  const page = await context.newPage();
  const found = [];
  const all = [...pages(waiting), ['help', '/clusters', (p) => p.getByRole('heading', { name: 'two' })], ['login', '/login', (p) => p.locator('form')]];
  for (const [name, path, there] of all) {
    if (name === 'login') await page.evaluate(() => sessionStorage.clear());
    await page.goto(`${URL}${path}`);
    await seen(there(page));
    // The help is a dialog of every page.
    if (name === 'help') await page.keyboard.press('?');
    found.push(...(await look(page, name)));
  }
  say(`${all.length} pages, ${all.length * MODES.length} by axe at 1280 px: ${found.length} violations`);
  ensure(found.length === 0, `violations:\n${[...new Set(found)].slice(0, 40).join('\n')}`);
  return [ops, { bad }];
}
