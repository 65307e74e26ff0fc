// An application: its instances old and new side by side, its releases, and what can be done.

import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearchParams } from 'react-router';

import { appQuery, instancesQuery, releaseQuery, releasesQuery } from '../api/queries';
import type { App, Release } from '../api/types';
import { InstancesBySide } from '../app/instances';
import { RollbackDialog } from '../app/rollback';
import { ScaleDialog } from '../app/scale';
import { StartDialog } from '../app/start';
import { Act } from '../parts/act';
import { Loaded } from '../parts/loaded';
import { More } from '../parts/more';
import { Page } from '../parts/page';
import { PhaseState } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { Ago } from '../parts/time';
import { paths } from '../paths';
import { isOver, phaseOf, shortDigest } from '../release/logic';
import { Said, useText } from '../text';

function Facts({ app }: { app: App }) {
  const { t } = useText();
  const { spec, status } = app;
  const locations = spec.placement.locations.map((l) => (l.min != null ? `${l.name} (≥ ${l.min})` : l.name));
  return (
    <dl className="facts">
      <dt>{t.app.serving}</dt><dd><strong>{t.common.of(status.inService ?? 0, spec.replicas)}</strong></dd>
      <dt>{t.app.placement}</dt><dd>{locations.join(', ')}</dd>
      <dt>{t.app.template}</dt>
      <dd><Link to={paths.template(spec.template.name, spec.template.version)}>{spec.template.name}@{spec.template.version}</Link></dd>
      <dt>{t.app.repo}</dt><dd className="mono">{spec.repo}</dd>
      <dt>{t.app.stable}</dt><dd>{status.stable ? <code>{status.stable.revision}</code> : t.common.none}</dd>
    </dl>
  );
}

function Releases({ team, app }: { team: string; app: string }) {
  const { t } = useText();
  const query = useInfiniteQuery(releasesQuery(team, app));
  const columns: Column<Release>[] = [
    { head: t.app.name, kind: 'tight', cell: (r) => <Link to={paths.release(team, app, r.name)}>{r.name}</Link> },
    { head: t.app.state, kind: 'tight', cell: (r) => <PhaseState phase={phaseOf(r)} /> },
    { head: t.app.kind, cell: (r) => (r.spec.kind === 'Rollback' ? t.app.back : t.app.deploy) },
    { head: t.app.digest, kind: 'tight', cell: (r) => <code title={r.spec.digest}>{shortDigest(r.spec.digest)}</code> },
    { head: t.app.by, cell: (r) => r.by ?? t.app.byKubectl },
    { head: t.app.when, kind: 'tight', cell: (r) => <Ago at={r.created} /> },
    { head: t.app.why, kind: 'long', cell: (r) => <Said>{r.status.message || r.status.reason || ''}</Said> },
  ];
  return (
    <Loaded query={query} what={t.app.releasesWhat}>
      {(data) => {
        const rows = data.pages.flatMap((page) => page.items);
        if (rows.length === 0) return <p className="dimmed">{t.app.noReleases}</p>;
        return (
          <>
            <DataTable label={t.app.releases} columns={columns} rows={rows} keyOf={(r) => r.name} />
            <More query={query} />
          </>
        );
      }}
    </Loaded>
  );
}

/** What the address asks to be done: a dialog has a link like everything else. */
function Asked({ app, active }: { app: App; active: Release | undefined }) {
  const [query] = useSearchParams();
  const navigate = useNavigate();
  const close = () => void navigate(paths.app(app.team, app.name), { replace: true });
  switch (query.get('do')) {
    case 'start':
      return <StartDialog app={app} active={active} close={close} />;
    case 'rollback':
      return <RollbackDialog app={app} close={close} />;
    case 'scale':
      return <ScaleDialog app={app} close={close} />;
    default:
      return null;
  }
}

function Whole({ app }: { app: App }) {
  const { t } = useText();
  const { team, name } = app;
  const instances = useQuery(instancesQuery(team, name));
  const acting = app.status.release ?? '';
  // It is asked with the application: of the release that acts nobody else keeps the phase.
  const active = useQuery({ ...releaseQuery(team, name, acting), enabled: acting !== '', refetchInterval: 5_000, staleTime: 0 }).data;
  const under = active && !isOver(phaseOf(active));
  return (
    <>
      <div className="columns">
        <section className="panel" aria-label={t.app.what}><Facts app={app} /></section>
        {active && (
          <section className="panel">
            <h2>{t.app.active}</h2>
            <div className="row">
              <Link to={paths.release(team, name, active.name)}>{active.name}</Link>
              <PhaseState phase={phaseOf(active)} />
            </div>
            {(active.status.message || active.status.reason) && <p><Said>{active.status.message || active.status.reason}</Said></p>}
          </section>
        )}
      </div>
      <section className="stack">
        <h2>{t.app.instances}</h2>
        <Loaded query={instances} what={t.app.instancesWhat}>
          {(found) => <InstancesBySide found={found} fresh={active?.status.revision || undefined} under={Boolean(under)} />}
        </Loaded>
      </section>
      <section className="stack">
        <h2>{t.app.releases}</h2>
        <Releases team={team} app={name} />
      </section>
      <Asked app={app} active={under ? active : undefined} />
    </>
  );
}

export function Component() {
  const { t } = useText();
  const { team = '', app = '' } = useParams();
  const navigate = useNavigate();
  const query = useQuery(appQuery(team, app));
  const act = (what: 'start' | 'rollback' | 'scale') => () => void navigate(paths.act(team, app, what));
  return (
    <Page
      title={`${team}/${app}`}
      acts={
        <div className="acts" role="group" aria-label={t.common.actions}>
          <Act primary onClick={act('start')}>{`${t.app.start} …`}</Act>
          <Act onClick={act('scale')}>{`${t.app.scale} …`}</Act>
          <Act onClick={act('rollback')}>{`${t.app.rollback} …`}</Act>
        </div>
      }
    >
      <Loaded query={query} what={t.app.what}>{(found) => <Whole app={found} />}</Loaded>
      <p className="small"><Link to={paths.audit(team, `apps/${app}`)}>{t.app.audit}</Link></p>
    </Page>
  );
}
