// The ways back: an abort in the middle, a rollback afterwards. Both say their numbers and are typed to confirm.

import { ensure, gone, picture, seen, start, text, until, visit } from '../kit.mjs';

async function abort(page) {
  const name = await start(page, 3);
  ensure(name === 'web-3', `it is ${name}`);
  await seen(text(page, 'A human gate waits'));
  await page.getByRole('button', { name: 'Abort …' }).click();
  const dialog = page.getByRole('dialog', { name: 'Abort web-3' });
  await seen(dialog.getByText('1 parked instance back at once; 1 new instance removed'));
  await dialog.getByRole('button', { name: 'Abort' }).click();
  await seen(dialog.getByText('The field above must say web-3.'));
  await dialog.getByLabel('Type web-3 to confirm').fill('web-2');
  await dialog.getByRole('button', { name: 'Abort' }).click();
  ensure(await dialog.isVisible(), 'it was aborted by the wrong name');
  await picture(page, 'abort');
  await dialog.getByLabel('Type web-3 to confirm').fill('web-3');
  await dialog.getByRole('button', { name: 'Abort' }).click();
  await gone(page.getByRole('dialog'));
  await seen(page.getByRole('status').getByText('Aborted'));
  await seen(text(page, 'Over: nothing more changes'));
  ensure((await page.getByRole('button', { name: 'Abort …' }).count()) === 0, 'what is over can still be aborted');
}

/** A page whose events do not come shows a release that is over as one that goes on: the API refuses what it asks. */
async function late(browser) {
  const window = await visit(browser, 'ann', '/apps/shop/web');
  const { page } = window;
  await page.route('**/releases/web-*/events', (route) => route.abort());
  await page.route('**/releases/web-3', async (route) => {
    const answer = await route.fetch();
    const release = await answer.json();
    release.status.phase = 'Gating';
    await route.fulfill({ response: answer, json: release });
  });
  await page.getByRole('table', { name: 'Releases' }).getByRole('link', { name: 'web-3' }).click();
  await page.getByRole('button', { name: 'Pause' }).click();
  const alert = page.getByRole('alert');
  await seen(alert.filter({ hasText: 'release web-3 is over: Aborted' }));
  await seen(alert.filter({ hasText: 'code wrong_state, HTTP 409' }));
  await seen(alert.filter({ hasText: 'What to do: `flatctl rollback shop/web`' }));
  return window;
}

async function back(page) {
  await page.getByRole('link', { name: 'Roll back …' }).click();
  const dialog = page.getByRole('dialog', { name: 'Roll back shop/web' });
  await seen(dialog.getByText(/^4 instances will run the older revision; \d parked/));
  const choices = await dialog.getByLabel('To', { exact: true }).locator('option').allInnerTexts();
  ensure(choices.some((c) => c.startsWith('web-1, sha256:111')), `they are ${choices}`);
  await dialog.getByLabel('To', { exact: true }).selectOption('web-1');
  await dialog.getByLabel('Type web to confirm').fill('web');
  await picture(page, 'rollback');
  await dialog.getByRole('button', { name: 'Roll back' }).click();
  await page.waitForURL(/\/releases\/web-4$/);
  await seen(text(page, 'This is a rollback.'));
  await seen(page.getByRole('status').getByText('Holding'));
  await until('all four serve', async () => /4 new of 4 in service/.test(await page.locator('main').innerText()));
}

export async function play(browser) {
  const ann = await visit(browser, 'ann', '/apps/shop/web');
  await abort(ann.page);
  const other = await late(browser);
  await back(ann.page);
  return [ann, other];
}
