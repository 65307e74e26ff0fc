// The frame of all pages but the login.

import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Suspense, useEffect, useState } from 'react';
import { Link, NavLink, Navigate, Outlet, useLocation, useNavigate } from 'react-router';

import { loadPages } from '../pages';
import { paths } from '../paths';
import { session, useSession } from '../session';
import { useText } from '../text';
import { Banner } from './banner';
import { Choices } from './choices';
import { Help } from './help';
import { useKeys } from './keys';

/** How long after the first page the others are loaded, in ms: it has the line for itself until then. */
const LATER = 1_000;
/** The field that `/` goes to, where a page has one. */
export const SEARCH = 'search';

export function Shell() {
  const { t } = useText();
  const who = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { pathname, search, hash } = useLocation();
  const [help, setHelp] = useState(false);
  useEffect(() => {
    const timer = setTimeout(loadPages, LATER);
    return () => clearTimeout(timer);
  }, []);
  useKeys({
    search: () => {
      const field = document.getElementById(SEARCH);
      if (field) field.focus();
      else void navigate(paths.apps(), { state: { search: true } });
    },
    help: () => setHelp(true),
    go: { a: () => void navigate(paths.apps()), c: () => void navigate(paths.clusters()) },
  });
  if (!who) {
    // Who logs out starts anew; whose session ended comes back to where they were.
    const from = session.whyEnded() || pathname !== '/' ? `${pathname}${search}${hash}` : undefined;
    return <Navigate to={paths.login(from)} replace />;
  }
  const logout = () => {
    client.clear();
    session.end();
  };
  const pages: [string, string][] = [
    [paths.apps(), t.nav.apps],
    [paths.clusters(), t.nav.clusters],
    [paths.claims(), t.nav.claims],
    [paths.templates(), t.nav.templates],
    [paths.audit(), t.nav.audit],
  ];
  return (
    <>
      <a className="skip" href="#main">{t.skip}</a>
      <header className="top">
        <Link className="brand" to={paths.apps()}>{t.product}</Link>
        <nav aria-label={t.nav.label}>
          {pages.map(([to, name]) => <NavLink key={to} to={to}>{name}</NavLink>)}
        </nav>
        <div className="menu">
          <Choices />
          <Button size="compact-sm" variant="default" onClick={() => setHelp(true)}>{t.menu.help} <kbd aria-hidden="true">&nbsp;?</kbd></Button>
          <span className="small">{t.menu.as(who.name)}</span>
          <Button size="compact-sm" variant="default" onClick={logout}>{t.menu.logout}</Button>
        </div>
      </header>
      <Banner />
      <main id="main" tabIndex={-1}>
        <Suspense><Outlet /></Suspense>
      </main>
      {help && <Help close={() => setHelp(false)} />}
    </>
  );
}
