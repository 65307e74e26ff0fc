// Instances, the new revision's beside the others'.

import type { Instance, Instances } from '../api/types';
import { Note } from '../parts/note';
import { InstanceStateWord } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { Age } from '../parts/time';
import { Said, useText } from '../text';

function Side({ title, none, rows, revisions }: { title: string; none: string; rows: Instance[]; revisions: boolean }) {
  const { t } = useText();
  // Four columns: two such tables stand side by side at 1280 px.
  const columns: Column<Instance>[] = [
    {
      head: t.app.name,
      kind: 'long',
      cell: (i) => (
        <>
          <span className="mono">{i.name}</span>
          {revisions && <div className="small">{t.app.revision} <code>{i.revision}</code></div>}
        </>
      ),
    },
    {
      head: t.app.state,
      cell: (i) => (
        <>
          <InstanceStateWord state={i.state} />
          {i.reason && <div className="small"><Said>{i.reason}</Said></div>}
          {i.restarts > 0 && <div className="small">{t.app.restarts}: {i.restarts}</div>}
        </>
      ),
    },
    {
      head: t.app.where,
      cell: (i) => (
        <>
          {i.addresses?.length ? i.addresses.map((a) => <div key={a} className="address">{a}</div>) : <div>{t.app.noAddress}</div>}
          <div className="small">{i.cluster} / {i.node ?? t.app.noNode}</div>
        </>
      ),
    },
    { head: t.app.age, kind: 'tight', cell: (i) => <Age at={i.created} /> },
  ];
  return (
    <section className="stack">
      <h3>{title} <span className="dimmed">({rows.length})</span></h3>
      {rows.length === 0 ? (
        <p className="dimmed">{none}</p>
      ) : (
        <DataTable label={title} columns={columns} rows={rows} keyOf={(i) => `${i.cluster}/${i.name}`} />
      )}
    </section>
  );
}

type Props = { found: Instances; fresh: string | undefined; under: boolean };

export function InstancesBySide({ found, fresh, under }: Props) {
  const { t } = useText();
  const isNew = (i: Instance) => i.revision === fresh;
  const others = found.items.filter((i) => !isNew(i));
  const own = found.items.filter(isNew);
  const revisions = new Set(others.map((i) => i.revision));
  const all = [...new Set(found.items.map((i) => i.revision))];
  const unread = found.unread ?? [];
  return (
    <>
      {unread.map(({ cluster, reason }) => (
        <Note key={cluster} tone="warn" title={t.app.unread(cluster)}><p><Said>{reason}</Said></p></Note>
      ))}
      {fresh && (under || (own.length > 0 && others.length > 0)) ? (
        <div className="columns sides">
          <Side title={t.app.newOnes(fresh)} none={unread.length > 0 ? t.app.noneRead : t.app.noneNew} rows={own} revisions={false} />
          <Side title={t.app.oldOnes} none={unread.length > 0 ? t.app.noneRead : t.app.noneOld} rows={others} revisions={revisions.size > 1} />
        </div>
      ) : (
        <Side
          title={all[0] && all.length === 1 ? t.app.stableOnes(all[0]) : t.app.allOnes}
          none={unread.length > 0 ? t.app.noneRead : t.app.none}
          rows={found.items}
          revisions={all.length > 1}
        />
      )}
    </>
  );
}
