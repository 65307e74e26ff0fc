// What scenes have in common: a browser, people, and what is looked for as a person does.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

export const URL = process.env.CONSOLE_URL ?? 'http://127.0.0.1:9441';
/** Generous for a busy machine. */
export const SOON = 60_000;
const PICTURES = process.env.CONSOLE_PICTURES;

export const say = (line) => console.log(line);

export function ensure(holds, words) {
  if (!holds) throw new Error(words);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks whoever started this for something that a browser cannot do. */
export async function ask(wish) {
  console.log(`> ${wish}`);
  const { value } = await lines.next();
  ensure(value === 'done', `asked for ${wish}, got ${value}`);
}

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CONSOLE_BROWSER ?? '/usr/bin/chromium',
    // The lab runs as root, for which Chromium has no sandbox.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    env: { ...process.env, ...(process.env.CONSOLE_HOME && { HOME: process.env.CONSOLE_HOME }) },
  });
}

/** What a browser logs about an answer that is no success: scenes look for those on the page. */
const ANSWERS = /Failed to load resource|net::ERR_/;

/** Everything of a page that nobody wants: errors of scripts, and what the server's policy forbade. */
export function watch(context) {
  const bad = [];
  context.on('weberror', (error) => bad.push(`script: ${error.error().stack ?? error.error()}`));
  context.on('console', (message) => {
    if (message.type() === 'error' && !ANSWERS.test(message.text())) bad.push(`console: ${message.text()}`);
  });
  return bad;
}

export async function login(page, who, password = process.env[`CONSOLE_PASSWORD_${who.toUpperCase()}`] ?? `right for ${who}`) {
  await page.getByLabel('Name', { exact: true }).fill(who);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

/** Somebody logged in, in a window of their own, at an address. */
export async function visit(browser, who, path = '/', options = {}) {
  const { url = URL, ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', ...rest });
  context.setDefaultTimeout(SOON);
  const bad = watch(context);
  const page = await context.newPage();
  await page.goto(`${url}${path}`);
  await login(page, who);
  return { context, page, bad };
}

/** That something is on the page, or comes. */
export const seen = (locator) => locator.first().waitFor({ state: 'visible', timeout: SOON });
export const gone = (locator) => locator.first().waitFor({ state: 'hidden', timeout: SOON });
export const text = (page, words) => page.getByText(words);

export async function until(words, holds) {
  const begun = Date.now();
  for (;;) {
    if (await holds()) return;
    ensure(Date.now() - begun < SOON, `not within ${SOON / 1000} s: ${words}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** A picture for people to look at, where somebody wants them. */
export async function picture(page, name, options = {}) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled', ...options });
}

export const digest = (digit) => `sha256:${String(digit).repeat(64)}`;

/** Starts a release by clicks from the application's page; its name. */
export async function start(page, digit) {
  await page.getByRole('button', { name: 'Start a release …' }).click();
  const dialog = page.getByRole('dialog', { name: 'Start a release of shop/web' });
  await dialog.getByLabel('Image digest').fill(digest(digit));
  await dialog.getByRole('button', { name: 'Start the release' }).click();
  await page.waitForURL(/\/releases\/web-\d+$/);
  return page.url().split('/').at(-1);
}
