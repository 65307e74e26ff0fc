// Whoever does not answer: the hub, then the API itself.

import { ask, ensure, gone, picture, seen, text, visit } from '../kit.mjs';

async function hub(page) {
  await seen(text(page, '4 of 4'));
  await ask('stop the hub');
  const banner = page.getByText(/The hub does not answer: this is what was seen \d+ (second|minute)s? ago/);
  await seen(banner);
  // What was seen last is still there.
  await seen(page.getByRole('link', { name: 'web-4' }));
  await page.getByRole('button', { name: 'Scale …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Instances').fill('5');
  await dialog.getByRole('button', { name: 'Scale to 5' }).click();
  await seen(dialog.getByRole('alert').filter({ hasText: 'hub_unreachable, HTTP 503' }));
  await picture(page, 'hub-away');
  ensure((await dialog.getByLabel('Instances').inputValue()) === '5', 'what was typed is gone');
  await page.keyboard.press('Escape');
  await ask('start the hub');
  await gone(banner);
}

async function api(page) {
  await ask('stop the API');
  const banner = page.getByText(/The API does not answer\. What you see was read/);
  await seen(banner);
  await seen(page.getByRole('link', { name: 'web-4' }));
  await page.getByRole('button', { name: 'Scale …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Instances').fill('3');
  await dialog.getByLabel('Type web to confirm').fill('web');
  await dialog.getByRole('button', { name: 'Scale to 3' }).click();
  await seen(dialog.getByRole('alert').filter({ hasText: 'The API did not answer' }));
  ensure((await dialog.getByLabel('Instances').inputValue()) === '3', 'what was typed is gone');
  await page.keyboard.press('Escape');
  // Another page that was not read before: there is nothing to show, and it says why.
  await page.getByRole('link', { name: 'Templates' }).click();
  await seen(page.getByRole('alert').filter({ hasText: 'The API did not answer' }));
  await picture(page, 'api-away');
  await ask('start the API');
  await page.getByRole('button', { name: 'Try again' }).click();
  await seen(page.getByRole('link', { name: 'plain@1' }));
  await gone(banner);
}

export async function play(browser) {
  const ann = await visit(browser, 'ann', '/apps/shop/web');
  await hub(ann.page);
  await api(ann.page);
  return [ann];
}
