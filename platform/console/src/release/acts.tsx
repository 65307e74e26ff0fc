// What can be done with a release, each with why it cannot now.

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { answer, api } from '../api/client';
import { releaseKey } from '../api/queries';
import type { Release } from '../api/types';
import { Act } from '../parts/act';
import { ProblemNote } from '../parts/problem';
import { paths } from '../paths';
import { useText } from '../text';
import { AbortDialog } from './abort';
import { type Act as Name, isOver, phaseOf, reason, waitsForSomebody } from './logic';

const CALLS = {
  pause: '/api/v1/teams/{team}/apps/{app}/releases/{release}/pause',
  resume: '/api/v1/teams/{team}/apps/{app}/releases/{release}/resume',
} as const;

export function ReleaseActs({ release }: { release: Release }) {
  const { t } = useText();
  const client = useQueryClient();
  const [aborts, setAborts] = useState(false);
  const { team, name } = release;
  const app = release.spec.app;
  const path = { team, app, release: name };
  const step = release.status.step ?? 0;
  const send = useMutation({
    mutationFn: (act: 'promote' | 'pause' | 'resume') =>
      act === 'promote'
        ? // The step that is on the screen: where it went on meanwhile, the next one is not promoted unseen.
          answer(api.POST('/api/v1/teams/{team}/apps/{app}/releases/{release}/promote', { params: { path }, body: { step } }))
        : answer(api.POST(CALLS[act], { params: { path } })),
    onSuccess: (now) => client.setQueryData(releaseKey(team, app, name), now),
  });
  const over = isOver(phaseOf(release));
  const why = (act: Name) => {
    const found = reason(act, release);
    return found && t.acts.reasons[found];
  };
  const waits = waitsForSomebody(release);
  if (over) {
    return (
      <div className="row">
        <Link to={paths.act(team, app, 'rollback')}>{t.app.rollback} …</Link>
      </div>
    );
  }
  return (
    <div className="stack">
      <div className="acts" role="group" aria-label={t.common.actions}>
        <Act primary={waits} why={why('promote')} does={t.acts.promoteDoes(step)} onClick={() => send.mutate('promote')}>{t.acts.promote}</Act>
        {reason('resume', release) ? (
          <Act why={why('pause')} does={t.acts.pauseDoes} onClick={() => send.mutate('pause')}>{t.acts.pause}</Act>
        ) : (
          <Act primary={!waits} does={t.acts.resumeDoes} onClick={() => send.mutate('resume')}>{t.acts.resume}</Act>
        )}
        <Act danger why={why('abort')} does={t.acts.abortDoes} onClick={() => setAborts(true)}>{`${t.acts.abort} …`}</Act>
      </div>
      {send.isPending && <p role="status" className="dimmed small">{t.common.working}</p>}
      {send.error != null && <ProblemNote error={send.error} />}
      {aborts && <AbortDialog release={release} close={() => setAborts(false)} />}
    </div>
  );
}
