// The pages, loaded when they are looked at first, or before: while the server is away they could not be.

export const pages = {
  login: () => import('./login'),
  apps: () => import('./apps'),
  app: () => import('./app'),
  release: () => import('./release'),
  clusters: () => import('./clusters'),
  claims: () => import('./claims'),
  templates: () => import('./templates'),
  template: () => import('./template'),
  audit: () => import('./audit'),
};

/** Loads them all. One that does not come is loaded when it is looked at. */
export function loadPages() {
  for (const load of Object.values(pages)) load().catch(() => undefined);
}
