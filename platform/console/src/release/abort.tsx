// The dialog of an abort: dangerous, so that its numbers are shown and the release's name is typed.

import { useMutation, useQueryClient } from '@tanstack/react-query';

import { answer, api } from '../api/client';
import { releaseKey } from '../api/queries';
import type { Release } from '../api/types';
import { ActForm } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { Note } from '../parts/note';
import { useText } from '../text';
import { abort, sums } from './logic';
import { abortWords } from './words';

export function AbortDialog({ release, close }: { release: Release; close: () => void }) {
  const { t } = useText();
  const client = useQueryClient();
  const { team, name } = release;
  const app = release.spec.app;
  const send = useMutation({
    mutationFn: () => {
      const path = { team, app, release: name };
      return answer(api.POST('/api/v1/teams/{team}/apps/{app}/releases/{release}/abort', { params: { path } }));
    },
    onSuccess: (now) => {
      client.setQueryData(releaseKey(team, app, name), now);
      close();
    },
  });
  const all = sums(release);
  return (
    <Dialog title={t.acts.abortTitle(name)} close={close}>
      <ActForm go={t.acts.abort} danger word={name} send={{ ...send, mutate: () => send.mutate() }} cancel={close}>
        <Note tone="bad">
          <p>{t.acts.abortDoes}</p>
          <p><strong>{abortWords(t, abort(release))}</strong></p>
          <p>{t.release.figures(all.newInService, all.inService, release.replicas)}</p>
        </Note>
      </ActForm>
    </Dialog>
  );
}
