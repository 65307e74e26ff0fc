// Clusters: whether they answer, and what is free in them.

import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useLocation } from 'react-router';

import { clustersQuery } from '../api/queries';
import type { Cluster } from '../api/types';
import { Empty, Loaded } from '../parts/loaded';
import { Note } from '../parts/note';
import { Page } from '../parts/page';
import { State } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { Ago } from '../parts/time';
import { Said, useText } from '../text';

type Headroom = NonNullable<Cluster['status']['headroom']>[number];

function Reachable({ cluster }: { cluster: Cluster }) {
  const { t } = useText();
  const reachable = cluster.status.reachable ?? 'Unknown';
  const look = { True: ['good', 'check'], False: ['bad', 'cross'], Unknown: ['quiet', 'ring'] } as const;
  const [tone, shape] = look[reachable];
  return <State tone={tone} shape={shape}>{t.clusters.reachable[reachable]}</State>;
}

function One({ cluster }: { cluster: Cluster }) {
  const { t, lang } = useText();
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const gibibytes = (bytes: number) => `${number.format(bytes / 2 ** 30)} GiB`;
  const columns: Column<Headroom>[] = [
    { head: t.clusters.group, cell: (h) => h.group },
    { head: t.clusters.nodes, kind: 'number', cell: (h) => number.format(h.nodes) },
    { head: t.clusters.cpu, kind: 'number', cell: (h) => number.format(h.cpuMillis / 1000) },
    { head: t.clusters.memory, kind: 'number', cell: (h) => gibibytes(h.memoryBytes) },
    { head: t.clusters.pods, kind: 'number', cell: (h) => number.format(h.pods) },
    { head: t.clusters.addresses, kind: 'number', cell: (h) => number.format(h.addresses) },
  ];
  const { spec, status } = cluster;
  const state = spec.state ?? 'Active';
  const headroom = status.headroom ?? [];
  return (
    <section className="panel" id={cluster.name} aria-labelledby={`${cluster.name}-name`}>
      <div className="head">
        <div className="titles">
          <h2 id={`${cluster.name}-name`}>{cluster.name}</h2>
          <Reachable cluster={cluster} />
          {state !== 'Active' && <State tone="warn" shape="triangle">{t.clusters.states[state]}</State>}
        </div>
      </div>
      {status.message && <Note tone={status.reachable === 'True' ? 'quiet' : 'warn'}><p><Said>{status.message}</Said></p></Note>}
      <dl className="facts">
        <dt>{t.clusters.location}</dt><dd>{spec.location}</dd>
        <dt>{t.clusters.version}</dt><dd>{status.version ?? '–'}</dd>
        <dt>{t.clusters.seen}</dt><dd><Ago at={status.lastSeen} /></dd>
        <dt>{t.clusters.endpoint}</dt><dd className="mono">{spec.endpoint}</dd>
      </dl>
      {headroom.length === 0 ? (
        <p className="dimmed">{t.clusters.noHeadroom}</p>
      ) : (
        <DataTable label={t.clusters.headroom(cluster.name)} columns={columns} rows={headroom} keyOf={(h) => h.group} />
      )}
      {headroom.some((h) => h.addresses === 0) && <Note tone="warn"><p>{t.clusters.noAddresses}</p></Note>}
    </section>
  );
}

export function Component() {
  const { t } = useText();
  const query = useQuery(clustersQuery);
  const { hash } = useLocation();
  const there = query.data !== undefined;
  useEffect(() => {
    if (hash && there) document.getElementById(decodeURIComponent(hash.slice(1)))?.scrollIntoView();
  }, [hash, there]);
  return (
    <Page title={t.clusters.title}>
      <Loaded query={query} what={t.clusters.what}>
        {(data) =>
          data.items.length === 0 ? (
            <Empty hint={t.clusters.noneHint}>{t.clusters.none}</Empty>
          ) : (
            <>{data.items.map((cluster) => <One key={cluster.name} cluster={cluster} />)}</>
          )
        }
      </Loaded>
    </Page>
  );
}
