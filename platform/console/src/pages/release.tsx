// A release as it goes.

import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';

import { useReleaseEvents } from '../api/follow';
import { appQuery, releaseQuery } from '../api/queries';
import type { Release, ReleasePolicy } from '../api/types';
import { Loaded } from '../parts/loaded';
import { Note } from '../parts/note';
import { Page } from '../parts/page';
import { ProblemNote } from '../parts/problem';
import { PhaseState, State } from '../parts/state';
import { paths } from '../paths';
import { ReleaseActs } from '../release/acts';
import { abort, isOver, next, phaseOf, sums, waitsForSomebody } from '../release/logic';
import { ClusterCounts, Gates, Steps, Timeline } from '../release/parts';
import { abortWords, nextWords } from '../release/words';
import { Said, useText } from '../text';

function Facts({ release, policy }: { release: Release; policy: ReleasePolicy | undefined }) {
  const { t } = useText();
  const { status, spec } = release;
  const all = sums(release);
  const why = [status.reason, status.message].filter(Boolean).join(': ');
  const over = isOver(phaseOf(release));
  return (
    <dl className="facts">
      {why && <><dt>{t.release.why}</dt><dd><strong><Said>{why}</Said></strong></dd></>}
      {policy && !over && <><dt>{t.release.next}</dt><dd>{nextWords(t, next(release, policy))}</dd></>}
      {!over && <><dt>{t.release.abortNow}</dt><dd>{abortWords(t, abort(release))}</dd></>}
      {status.shortage && <><dt>{t.release.shortage}</dt><dd><Said>{status.shortage}</Said></dd></>}
      <dt>{t.release.serving}</dt>
      <dd>
        {t.release.figures(all.newInService, all.inService, release.replicas)}
        {all.parked > 0 && `, ${t.release.parked(all.parked)}`}
      </dd>
      <dt>{t.release.digest}</dt><dd><code>{spec.digest}</code></dd>
      {status.revision && <><dt>{t.release.revision}</dt><dd><code>{status.revision}</code></dd></>}
      <dt>{t.release.by}</dt><dd>{release.by ?? t.app.byKubectl}</dd>
    </dl>
  );
}

function Whole({ release, policy }: { release: Release; policy: ReleasePolicy | undefined }) {
  const { t } = useText();
  const { spec } = release;
  return (
    <>
      {spec.kind === 'Rollback' && <Note tone="quiet"><p>{t.release.rollsBack}</p></Note>}
      {spec.emergency && <Note tone="warn"><p>{t.release.emergency}</p></Note>}
      {spec.decision === 'Pause' && phaseOf(release) !== 'Paused' && <Note tone="warn"><p>{t.release.paused}</p></Note>}
      {waitsForSomebody(release) && <Note tone="run" role="status"><p>{t.release.waits}</p></Note>}
      <ReleaseActs release={release} />
      <div className="columns">
        <section className="panel" aria-label={t.release.what}>
          <Facts release={release} policy={policy} />
          {policy && (policy.steps?.length ?? 0) > 0 && (
            <>
              <h2>{t.release.steps}</h2>
              <Steps release={release} policy={policy} />
            </>
          )}
        </section>
        <section className="panel">
          <h2>{t.release.gates}</h2>
          <Gates release={release} />
        </section>
      </div>
      <section className="stack">
        <h2>{t.release.clusters}</h2>
        <ClusterCounts release={release} />
      </section>
      <section className="stack">
        <h2>{t.release.timeline}</h2>
        <Timeline release={release} />
      </section>
    </>
  );
}

export function Component() {
  const { t } = useText();
  const { team = '', app = '', release: name = '' } = useParams();
  const query = useQuery(releaseQuery(team, app, name));
  const policy = useQuery(appQuery(team, app)).data?.spec.release;
  const { state, refused } = useReleaseEvents(team, app, name);
  const release = query.data;
  const looks = { connecting: ['quiet', 'ring'], live: ['good', 'check'], lost: ['warn', 'triangle'], ended: ['quiet', 'dash'] } as const;
  const [tone, shape] = looks[state];
  const step = release?.status.step ?? 0;
  return (
    <Page
      title={name}
      heading={<><Link to={paths.app(team, app)}>{team}/{app}</Link> {name}</>}
      beside={
        release && (
          <>
            <span role="status"><PhaseState phase={phaseOf(release)} /></span>
            {step > 0 && release.steps > 0 && <span>{t.release.step(step, release.steps)}</span>}
            {!refused && <State tone={tone} shape={shape}>{t.release.live[state]}</State>}
          </>
        )
      }
    >
      {refused && release && <ProblemNote error={refused} />}
      <Loaded query={query} what={t.release.what}>{(found) => <Whole release={found} policy={policy} />}</Loaded>
    </Page>
  );
}
