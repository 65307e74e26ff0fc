// Plays a scene: node e2e/main.mjs NAME.

import { join } from 'node:path';

import { launch, picture, say } from './kit.mjs';

const name = process.argv[2];
const { play } = await import(new URL(`scenes/${name}.mjs`, import.meta.url).href);
const begun = Date.now();
const browser = await launch();
let failed = false;
try {
  const windows = (await play(browser)) ?? [];
  const bad = windows.flatMap((window) => window.bad);
  if (bad.length > 0) throw new Error(`the browser complained:\n${bad.join('\n')}`);
} catch (error) {
  failed = true;
  console.error(error.stack ?? error);
  // What was on the screen when it failed.
  for (const [place, context] of browser.contexts().entries()) {
    for (const page of context.pages()) {
      console.error(`at ${page.url()}`);
      const shown = await page.locator('body').innerText().catch(() => '');
      console.error(shown.slice(0, 2000));
      await picture(page, join(`failed-${name}-${place}`)).catch(() => undefined);
    }
  }
} finally {
  await browser.close();
}
say(`scene ${name}: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
process.exit(failed ? 1 : 0);
