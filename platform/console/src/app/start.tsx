// Starting a release of a digest.

import { TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';

import { answer, api, newKey } from '../api/client';
import type { App, Release, ReleasePolicy } from '../api/types';
import { ActForm } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { useDraft } from '../parts/draft';
import { Note } from '../parts/note';
import { paths } from '../paths';
import { digestOf } from '../release/logic';
import { stepWords } from '../release/words';
import { useText } from '../text';

export function StartDialog({ app, active, close }: { app: App; active: Release | undefined; close: () => void }) {
  const { t } = useText();
  const { team, name } = app;
  const navigate = useNavigate();
  const client = useQueryClient();
  const [text, setText, forget] = useDraft(`start.${team}/${name}`, '');
  // One key for one digest: the same request sent again after a lost answer is the same release.
  const [keys] = useState(() => new Map<string, string>());
  const digest = digestOf(text);
  const send = useMutation({
    mutationFn: () => {
      const wanted = digest ?? '';
      const key = keys.get(wanted) ?? newKey();
      keys.set(wanted, key);
      const params = { path: { team, app: name }, header: { 'idempotency-key': key } };
      return answer(api.POST('/api/v1/teams/{team}/apps/{app}/releases', { params, body: { digest: wanted } }));
    },
    onSuccess: (made) => {
      forget();
      void client.invalidateQueries({ queryKey: ['releases', team, name] });
      void navigate(paths.release(team, name, made.name), { replace: true });
    },
  });
  const policy: ReleasePolicy = app.spec.release ?? {};
  const steps = policy.steps ?? [];
  const looksLikeTag = /^[^@\s]+:[\w.-]+$/.test(text.trim()) && !text.trim().startsWith('sha256:');
  const wrong = digest ? null : looksLikeTag ? t.start.tag : t.start.bad;
  const shown = text.trim() !== '' && wrong;
  return (
    <Dialog title={t.start.title(`${team}/${name}`)} close={close}>
      <ActForm go={t.start.go} wrong={wrong} send={{ ...send, mutate: () => send.mutate() }} cancel={close}>
        <TextInput
          label={t.start.digest}
          description={t.start.digestHint}
          value={text}
          autoFocus
          autoComplete="off"
          spellCheck={false}
          error={shown}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <h3>{t.start.will}</h3>
        <ol className="plain">
          {/* Steps have no names: their place is what they are. */}
          {steps.map((step, place) => <li key={place}>{t.start.step(place + 1, stepWords(t, step))}</li>)}
          <li>{steps.length > 0 ? t.start.rest(app.spec.replicas) : t.start.noSteps(app.spec.replicas)}</li>
          <li>{t.start.kept(String(policy.keepOld?.count ?? '100%'), policy.keepOld?.for ?? '1h')}</li>
        </ol>
        {active && <Note tone="warn"><p>{t.start.supersedes(active.name)}</p></Note>}
      </ActForm>
    </Dialog>
  );
}
