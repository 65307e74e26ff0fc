// The console's addresses, each in one place. Names are checked by the API: lower-case letters, digits, `-` and `.`.

export const paths = {
  login: (from?: string) => (from ? `/login?from=${encodeURIComponent(from)}` : '/login'),
  apps: (q?: string) => (q ? `/apps?q=${encodeURIComponent(q)}` : '/apps'),
  app: (team: string, app: string) => `/apps/${team}/${app}`,
  act: (team: string, app: string, act: 'start' | 'rollback' | 'scale') => `/apps/${team}/${app}?do=${act}`,
  release: (team: string, app: string, release: string) => `/apps/${team}/${app}/releases/${release}`,
  clusters: (cluster?: string) => (cluster ? `/clusters#${cluster}` : '/clusters'),
  templates: () => '/templates',
  template: (name: string, version: number) => `/templates/${name}/${version}`,
  claims: () => '/claims',
  audit: (team?: string, object?: string) => {
    const query = new URLSearchParams({ ...(team && { team }), ...(object && { object }) }).toString();
    return query ? `/audit?${query}` : '/audit';
  },
};
