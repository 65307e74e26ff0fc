// Another number of instances. Where more go is shown before; that fewer serve is typed to confirm.

import { Checkbox, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { answer, api } from '../api/client';
import { placeQuery } from '../api/queries';
import type { App } from '../api/types';
import { ActForm } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { useDraft } from '../parts/draft';
import { Note } from '../parts/note';
import { ProblemNote } from '../parts/problem';
import { Said, useText } from '../text';

function Room({ app, to }: { app: App; to: number }) {
  const { t } = useText();
  const query = useQuery(placeQuery(app.team, app.name, to));
  if (query.error) return <ProblemNote error={query.error} />;
  const placed = query.data;
  if (!placed) return <p role="status" className="dimmed">{t.scale.asking}</p>;
  return (
    <Note tone={placed.fits < placed.wanted ? 'warn' : 'good'} role="status">
      <p>{t.scale.fits(placed.fits, placed.wanted)}</p>
      {placed.cells.map((c) => <p key={`${c.cluster}/${c.group}`}>{c.cluster} / {c.group}: +{c.count}</p>)}
      {placed.shortage && <p><Said>{placed.shortage}</Said></p>}
    </Note>
  );
}

export function ScaleDialog({ app, close }: { app: App; close: () => void }) {
  const { t } = useText();
  const { team, name } = app;
  const client = useQueryClient();
  const from = app.spec.replicas;
  const [text, setText, forget] = useDraft(`scale.${team}/${name}`, String(from));
  const [even, setEven] = useState(false);
  const to = /^\d{1,6}$/.test(text.trim()) ? Number(text) : null;
  const send = useMutation({
    mutationFn: () => {
      const body = { replicas: to ?? from, evenWithoutRoom: even };
      return answer(api.POST('/api/v1/teams/{team}/apps/{app}/scale', { params: { path: { team, app: name } }, body }));
    },
    onSuccess: () => {
      forget();
      void client.invalidateQueries({ queryKey: ['app', team, name] });
      close();
    },
  });
  const wrong = to === null ? t.scale.bad : to === from ? t.scale.same : null;
  const fewer = to !== null && to < from;
  return (
    <Dialog title={t.scale.title(`${team}/${name}`)} close={close}>
      <ActForm
        go={t.scale.go(to ?? from)}
        danger={fewer}
        word={fewer ? name : undefined}
        wrong={wrong}
        send={{ ...send, mutate: () => send.mutate() }}
        cancel={close}
      >
        <TextInput
          label={t.scale.to}
          inputMode="numeric"
          value={text}
          autoFocus
          autoComplete="off"
          error={to === null && t.scale.bad}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {to !== null && to > from && (
          <>
            <p>{t.scale.up(from, to)}</p>
            <Room app={app} to={to} />
            <Checkbox label={t.scale.even} checked={even} onChange={(event) => setEven(event.currentTarget.checked)} />
          </>
        )}
        {to !== null && fewer && (
          <Note tone="bad">
            <p><strong>{t.scale.down(from, to)}</strong></p>
            {to === 0 && <p>{t.scale.toNone}</p>}
          </Note>
        )}
      </ActForm>
    </Dialog>
  );
}
