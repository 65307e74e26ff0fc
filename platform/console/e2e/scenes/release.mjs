// A release by clicks alone, watched over a line that breaks.

import { URL, digest, ensure, gone, picture, seen, start, text, until, visit } from '../kit.mjs';
import { line } from '../line.mjs';

async function refusedDigest(page) {
  await page.getByRole('button', { name: 'Start a release …' }).click();
  const dialog = page.getByRole('dialog');
  await seen(dialog.getByText('Step 1: 1 instance; gates: probe, somebody promotes; bake 1s'));
  const field = dialog.getByLabel('Image digest');
  await field.fill('registry.example/shop/web:latest');
  await seen(dialog.getByText('A tag can be moved'));
  await field.fill(digest(5).slice(0, -1));
  await dialog.getByRole('button', { name: 'Start the release' }).click();
  await seen(dialog.getByText('This is no digest'));
  // What was typed is still there when the dialog is opened again.
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await gone(page.getByRole('dialog'));
  await page.getByRole('button', { name: 'Start a release …' }).click();
  ensure((await field.inputValue()) === digest(5).slice(0, -1), 'what was typed is gone');
  await picture(page, 'start');
  await page.keyboard.press('Escape');
}

/** Breaks every connection of the page off; where its stream resumed. */
async function cut(page, way) {
  const asked = page.waitForRequest((r) => r.url().endsWith('/events') && Boolean(r.headers()['last-event-id']));
  way.cut();
  await seen(text(page, 'Connection lost; trying again …'));
  const resumed = await asked;
  await seen(text(page, 'Live'));
  return resumed.headers()['last-event-id'];
}

export async function play(browser) {
  const way = await line(URL);
  const ann = await visit(browser, 'ann', '/apps/shop/web', { url: way.url });
  const { page, context } = ann;
  await refusedDigest(page);
  const name = await start(page, 2);
  ensure(name === 'web-2', `it is ${name}`);
  await seen(text(page, 'Live'));
  await seen(page.getByRole('status').getByText('Gating'));
  await seen(text(page, 'A human gate waits'));
  const gates = page.getByRole('table', { name: 'Gates of this step' });
  await seen(gates.getByRole('row', { name: /probe passes/ }));
  await seen(gates.getByRole('row', { name: /somebody promotes waits/ }));
  await seen(text(page, 'bake for 1s'));
  await seen(text(page, '1 parked instance back at once; 1 new instance removed'));
  await picture(page, 'release', { fullPage: true });

  // A session is a tab's own: another one has to log in.
  const other = await context.newPage();
  await other.goto(`${way.url}/apps/shop/web`);
  await seen(other.getByRole('heading', { name: 'Log in' }));
  await other.close();
  // Instances old and new side by side.
  await page.getByRole('link', { name: 'shop/web' }).click();
  const fresh = page.getByRole('table', { name: /^New: revision/ });
  const old = page.getByRole('table', { name: 'Old: other revisions' });
  await until('one new', async () => (await fresh.getByRole('row').count()) === 2);
  await until('four old', async () => (await old.getByRole('row').count()) === 5);
  await seen(old.getByText('Parked'));
  await picture(page, 'app', { fullPage: true });
  await page.goBack();

  await seen(text(page, 'Live'));
  await page.getByRole('button', { name: 'Pause' }).click();
  await seen(page.getByRole('status').getByText('Paused'));
  await seen(text(page, 'nothing, until somebody resumes, promotes or aborts'));
  await page.getByRole('button', { name: 'Resume' }).click();
  await seen(page.getByRole('status').getByText('Gating'));

  const resumed = await cut(page, way);
  ensure(/^\d+$/.test(resumed), `it resumed at ${resumed}`);

  await page.getByRole('button', { name: 'Promote' }).click();
  // Without a reload: by the stream that was resumed.
  await seen(page.getByRole('status').getByText('Holding'));
  await seen(text(page, 'the parked ones go after 1h'));
  const timeline = await page.locator('.timeline').innerText();
  for (const phase of ['Placing', 'Raising', 'Gating', 'Paused', 'Baking', 'Holding']) {
    ensure(timeline.includes(phase), `${phase} is not in the timeline:\n${timeline}`);
  }
  way.close();
  return [ann];
}
