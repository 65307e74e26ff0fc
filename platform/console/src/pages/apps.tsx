// Applications, found by any word. What is searched for is in the address.

import { Button, TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'react-router';

import { appsQuery } from '../api/queries';
import type { AppSummary } from '../api/types';
import { Empty, Loaded } from '../parts/loaded';
import { More } from '../parts/more';
import { Page } from '../parts/page';
import { SEARCH } from '../parts/shell';
import { PhaseState, State } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { paths } from '../paths';
import { useText } from '../text';

/** How long after the last key the search begins, in ms. */
const TYPING = 200;

function useSearch(): [string, string, (text: string) => void] {
  const [query, setQuery] = useSearchParams();
  const q = query.get('q') ?? '';
  const [text, setText] = useState(q);
  const written = useRef(q);
  // The address changed by itself: by the browser's way back.
  useEffect(() => {
    if (q !== written.current) setText(q);
    written.current = q;
  }, [q]);
  useEffect(() => {
    if (text.trim() === written.current) return undefined;
    const timer = setTimeout(() => {
      written.current = text.trim();
      setQuery(written.current ? { q: written.current } : {}, { replace: true });
    }, TYPING);
    return () => clearTimeout(timer);
  }, [text, setQuery]);
  return [q, text, setText];
}

function useColumns(): Column<AppSummary>[] {
  const { t } = useText();
  return [
    { head: t.apps.app, cell: (a) => <Link to={paths.app(a.team, a.name)}><strong>{a.team}/{a.name}</strong></Link> },
    {
      head: t.apps.state,
      kind: 'tight',
      cell: (a) => (a.phase ? <PhaseState phase={a.phase} /> : <State tone="quiet" shape="dash">{t.apps.atRest}</State>),
    },
    { head: t.apps.serving, kind: 'number', cell: (a) => t.common.of(a.inService, a.replicas) },
    { head: t.apps.locations, cell: (a) => a.locations.join(', ') },
    { head: t.apps.template, cell: (a) => a.template },
    {
      head: t.apps.release,
      kind: 'tight',
      cell: (a) => (a.release ? <Link to={paths.release(a.team, a.name, a.release)}>{a.release}</Link> : t.common.none),
    },
  ];
}

export function Component() {
  const { t } = useText();
  const [q, text, setText] = useSearch();
  const query = useInfiniteQuery(appsQuery(q));
  const columns = useColumns();
  const { state } = useLocation();
  const searches = typeof state === 'object' && state !== null && 'search' in state;
  return (
    <Page title={t.apps.title}>
      <search className="filters">
        <TextInput
          className="grow"
          id={SEARCH}
          type="search"
          label={t.apps.search}
          description={t.apps.searchHint}
          value={text}
          autoFocus={searches}
          spellCheck={false}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </search>
      <Loaded query={query} what={t.apps.what}>
        {(data) => {
          const apps = data.pages.flatMap((page) => page.items);
          if (apps.length === 0 && q) {
            return (
              <Empty>
                <span role="status">{t.apps.noMatch(q)}</span>{' '}
                <Button size="compact-sm" variant="default" onClick={() => setText('')}>{t.apps.clear}</Button>
              </Empty>
            );
          }
          if (apps.length === 0) return <Empty hint={t.apps.noneHint}>{t.apps.none}</Empty>;
          return (
            <>
              <p role="status" className="dimmed small">{t.apps.found(apps.length, query.hasNextPage)}</p>
              <DataTable label={t.apps.title} columns={columns} rows={apps} keyOf={(a) => `${a.team}/${a.name}`} />
              <More query={query} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
