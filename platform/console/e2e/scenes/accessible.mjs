// Every page in both themes and languages: axe finds nothing, and nothing is wider than the screen.

import AxeBuilder from '@axe-core/playwright';

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
  const { violations: found } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  return found.flatMap((v) => v.nodes.map((n) => `${where}: ${v.id}: ${n.html.slice(0, 160)} ${n.any.map((a) => a.message).join('; ')}`));
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

async function mode(browser, session, [theme, lang], waiting, bad) {
  const found = [];
  let looked = 0;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: theme });
  const complained = watch(context);
  await context.addInitScript(
    ([kept, scheme, language]) => {
      localStorage.setItem('mantine-color-scheme-value', scheme);
      localStorage.setItem('flatnet.lang', language);
      if (kept && location.pathname !== '/login') sessionStorage.setItem('flatnet.session', kept);
    },
    [session, theme, lang],
  );
  const page = await context.newPage();
  const all = [...pages(waiting), ['login', '/login', (p) => p.locator('form')]];
  for (const [name, path, there] of all) {
    await page.goto(`${URL}${path}`);
    await seen(there(page));
    const where = `${name} ${theme} ${lang}`;
    const scheme = await page.evaluate(() => [document.documentElement.dataset.mantineColorScheme, document.documentElement.lang]);
    ensure(scheme[0] === theme && scheme[1].startsWith(lang), `${where} is shown as ${scheme}`);
    found.push(...(await violations(page, where)));
    for (const [width, height] of WIDTHS) {
      await page.setViewportSize({ width, height });
      found.push(...(await tooWide(page, `${where} ${width} px`)));
      if (width === 390) found.push(...(await violations(page, `${where} 390 px`)));
      const pictured = (lang === 'en') === (theme === 'light') || width === 390;
      if (pictured) await picture(page, `pages/${name}-${theme}-${lang}-${width}`, { fullPage: true });
      looked += 1;
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  // The help is a dialog of every page.
  await page.goto(`${URL}/clusters`);
  await seen(page.getByRole('heading', { name: 'two' }));
  await page.keyboard.press('?');
  await seen(page.getByRole('dialog'));
  found.push(...(await violations(page, `help ${theme} ${lang}`)));
  bad.push(...complained);
  await context.close();
  say(`${theme}, ${lang}: ${looked} views, ${found.length} violations`);
  return found;
}

export async function play(browser) {
  const ops = await visit(browser, 'ops', '/apps/shop/web');
  const waiting = await start(ops.page, 5);
  await seen(text(ops.page, 'A human gate waits'));
  const session = await ops.page.evaluate(() => sessionStorage.getItem('flatnet.session'));
  const found = [];
  for (const one of MODES) found.push(...(await mode(browser, session, one, waiting, ops.bad)));
  ensure(found.length === 0, `violations:\n${[...new Set(found)].slice(0, 40).join('\n')}`);
  // Reduced to a person with a keyboard: the first stop is the way past the navigation.
  await ops.page.goto(`${URL}/apps`);
  await seen(ops.page.getByRole('link', { name: 'shop/web' }));
  await ops.page.evaluate(() => document.activeElement?.blur());
  await ops.page.keyboard.press('Tab');
  const first = await ops.page.evaluate(() => document.activeElement?.textContent);
  ensure(/Skip|Apps/.test(first ?? ''), `the first stop is ${first}`);
  return [ops];
}
