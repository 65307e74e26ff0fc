// Scaling with its room, and claims with their answers.

import { URL, ask, ensure, gone, picture, seen, text, until, visit } from '../kit.mjs';

async function scale(page) {
  await page.getByRole('button', { name: 'Scale …' }).click();
  const dialog = page.getByRole('dialog', { name: 'Scale shop/web' });
  const field = dialog.getByLabel('Instances');
  await field.fill('900');
  await seen(dialog.getByText(/^\d+ of 896 have room now\.$/));
  await dialog.getByRole('button', { name: 'Scale to 900' }).click();
  await seen(dialog.getByRole('alert').filter({ hasText: 'code no_room, HTTP 409' }));
  ensure((await field.inputValue()) === '900', 'what was typed is gone');
  await picture(page, 'scale');
  await field.fill('6');
  await seen(dialog.getByText('2 of 2 have room now.'));
  await dialog.getByRole('button', { name: 'Scale to 6' }).click();
  await gone(page.getByRole('dialog'));
  await ask('six serve');
  await until('the page has it', async () => /6 of 6/.test(await page.locator('main').innerText()));
  // Fewer is dangerous, and typed.
  await page.getByRole('button', { name: 'Scale …' }).click();
  await field.fill('4');
  await seen(dialog.getByText('From 6 to 4: 2 instances will be drained and deleted.'));
  await dialog.getByRole('button', { name: 'Scale to 4' }).click();
  await seen(dialog.getByText('The field above must say web.'));
  await dialog.getByLabel('Type web to confirm').fill('web');
  await dialog.getByRole('button', { name: 'Scale to 4' }).click();
  await gone(page.getByRole('dialog'));
  await ask('four serve');
}

async function claims(page) {
  // There is no form for it yet: it is asked by the API, as flatctl does.
  const made = await page.evaluate(async () => {
    const { token } = JSON.parse(sessionStorage.getItem('flatnet.session'));
    const answer = await fetch('/api/v1/teams/shop/apps/web/claims', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ location: 'one', instances: 4, reason: 'peak' }),
    });
    return answer.status;
  });
  ensure(made === 201, `the claim was answered with ${made}`);
  await page.getByRole('link', { name: 'Claims' }).click();
  await seen(text(page, 'Waits for an answer'));
  await page.getByRole('button', { name: 'Refuse: shop/web, one' }).click();
  const dialog = page.getByRole('dialog', { name: 'Refuse shop/web in one' });
  await dialog.getByLabel('What you tell them').fill('after the move');
  await dialog.getByRole('button', { name: 'Refuse' }).click();
  await gone(page.getByRole('dialog'));
  await seen(text(page, 'Refused'));
  await seen(text(page, 'after the move'));
  await seen(text(page, 'by local:ops'));
  await page.getByRole('button', { name: 'Grant: shop/web, one' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Grant' }).click();
  await seen(text(page, 'Granted'));
  // What the refusal said is not said any more.
  await gone(text(page, 'after the move'));
}

async function audit(page) {
  await page.goto(`${URL}/audit`);
  const table = page.getByRole('table', { name: 'Audit' });
  for (const action of ['app.scale', 'release.start', 'release.abort', 'release.rollback', 'claim.answer']) {
    await seen(table.getByText(action, { exact: true }));
  }
  await seen(table.getByText('replicas: 4 → 6'));
  await picture(page, 'audit');
}

export async function play(browser) {
  const ops = await visit(browser, 'ops', '/apps/shop/web');
  await scale(ops.page);
  await claims(ops.page);
  await audit(ops.page);
  return [ops];
}
