// Going back: at once and without gates, so that its numbers are shown and the application's name is typed.

import { NativeSelect } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';

import { answer, api, newKey } from '../api/client';
import { instancesQuery, releasesQuery } from '../api/queries';
import type { App } from '../api/types';
import { ActForm } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { Note } from '../parts/note';
import { paths } from '../paths';
import { phaseOf, shortDigest } from '../release/logic';
import { useText } from '../text';

export function RollbackDialog({ app, close }: { app: App; close: () => void }) {
  const { t } = useText();
  const { team, name } = app;
  const navigate = useNavigate();
  const client = useQueryClient();
  const [to, setTo] = useState('');
  const [keys] = useState(() => new Map<string, string>());
  const releases = useInfiniteQuery(releasesQuery(team, name)).data?.pages.flatMap((page) => page.items) ?? [];
  const instances = useQuery(instancesQuery(team, name)).data?.items ?? [];
  const parked = instances.filter((i) => i.state === 'parked').length;
  const send = useMutation({
    mutationFn: () => {
      const key = keys.get(to) ?? newKey();
      keys.set(to, key);
      const params = { path: { team, app: name }, header: { 'idempotency-key': key } };
      return answer(api.POST('/api/v1/teams/{team}/apps/{app}/rollback', { params, body: to ? { to } : {} }));
    },
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ['releases', team, name] });
      void navigate(paths.release(team, name, made.name), { replace: true });
    },
  });
  const choices = releases.map((r) => ({ value: r.name, label: `${r.name}, ${shortDigest(r.spec.digest)}, ${t.phase[phaseOf(r)]}` }));
  return (
    <Dialog title={t.rollback.title(`${team}/${name}`)} close={close}>
      <ActForm go={t.rollback.go} danger word={name} send={{ ...send, mutate: () => send.mutate() }} cancel={close}>
        <NativeSelect
          label={t.rollback.to}
          value={to}
          data={[{ value: '', label: t.rollback.before }, ...choices]}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Note tone="warn">
          <p><strong>{t.rollback.will(app.spec.replicas, parked)}</strong></p>
          <p>{t.rollback.noGates}</p>
        </Note>
      </ActForm>
    </Dialog>
  );
}
