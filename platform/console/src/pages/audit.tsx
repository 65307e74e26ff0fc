// What was asked for, by whom, and what became of it.

import { Button, TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useSearchParams } from 'react-router';

import { auditQuery } from '../api/queries';
import type { Change } from '../api/types';
import { Empty, Loaded } from '../parts/loaded';
import { More } from '../parts/more';
import { Page } from '../parts/page';
import { State } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { At } from '../parts/time';
import { Said, useText } from '../text';

const LOOKS = { begun: ['warn', 'ring'], done: ['good', 'check'], failed: ['bad', 'cross'] } as const;

const shown = (value: unknown) => (value === undefined || value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value));

export function Component() {
  const { t } = useText();
  const [query, setQuery] = useSearchParams();
  const [team, object] = [query.get('team') ?? '', query.get('object') ?? ''];
  const [typed, setTyped] = useState({ team, object });
  const found = useInfiniteQuery(auditQuery(team, object));
  const columns: Column<Change>[] = [
    { head: t.audit.number, kind: 'number', cell: (c) => c.number },
    { head: t.audit.when, kind: 'tight', cell: (c) => <At at={c.at} /> },
    { head: t.audit.by, cell: (c) => c.by },
    { head: t.audit.action, kind: 'tight', cell: (c) => <code>{c.action}</code> },
    { head: t.audit.object, cell: (c) => (c.team ? `${c.team}: ${c.object}` : c.object) },
    {
      head: t.audit.outcome,
      kind: 'long',
      cell: (c) => {
        const [tone, shape] = LOOKS[c.outcome];
        return (
          <>
            <State tone={tone} shape={shape}>{t.audit.outcomes[c.outcome]}</State>
            {c.reason && <div className="small"><Said>{c.reason}</Said></div>}
          </>
        );
      },
    },
    {
      head: t.audit.difference,
      kind: 'long',
      cell: (c) =>
        (c.difference ?? []).length === 0
          ? t.audit.nothing
          : (c.difference ?? []).map((d) => (
              <div key={d.field} className="small"><code>{d.field}</code>: {shown(d.from)} → {shown(d.to)}</div>
            )),
    },
  ];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wanted = { team: typed.team.trim(), object: typed.object.trim() };
    setQuery({ ...(wanted.team && { team: wanted.team }), ...(wanted.object && { object: wanted.object }) });
  };
  return (
    <Page title={t.audit.title}>
      <p className="dimmed">{t.audit.intro}</p>
      <search>
        <form className="filters" onSubmit={submit}>
          <TextInput
            label={t.audit.team}
            description={t.audit.teamHint}
            value={typed.team}
            spellCheck={false}
            onChange={(event) => setTyped({ ...typed, team: event.currentTarget.value })}
          />
          <TextInput
            label={t.audit.object}
            description={t.audit.objectHint}
            value={typed.object}
            spellCheck={false}
            onChange={(event) => setTyped({ ...typed, object: event.currentTarget.value })}
          />
          <Button type="submit" variant="default" style={{ alignSelf: 'flex-end' }}>{t.audit.filter}</Button>
        </form>
      </search>
      <Loaded query={found} what={t.audit.what}>
        {(data) => {
          const rows = data.pages.flatMap((page) => page.items);
          if (rows.length === 0) return <Empty>{t.audit.none}</Empty>;
          return (
            <>
              <DataTable label={t.audit.title} columns={columns} rows={rows} keyOf={(c) => String(c.number)} />
              <More query={found} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
