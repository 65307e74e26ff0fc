import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { templatesQuery } from '../api/queries';
import type { Template } from '../api/types';
import { Empty, Loaded } from '../parts/loaded';
import { Page } from '../parts/page';
import { type Column, DataTable } from '../parts/table';
import { Ago } from '../parts/time';
import { paths } from '../paths';
import { useText } from '../text';

export function Component() {
  const { t } = useText();
  const query = useQuery(templatesQuery);
  const columns: Column<Template>[] = [
    { head: t.templates.name, cell: ({ spec }) => <Link to={paths.template(spec.name, spec.version)}>{spec.name}@{spec.version}</Link> },
    { head: t.templates.base, cell: ({ spec }) => (spec.baseImage ? <code>{spec.baseImage}</code> : t.common.none) },
    { head: t.templates.made, kind: 'tight', cell: ({ created }) => <Ago at={created} /> },
  ];
  return (
    <Page title={t.templates.title}>
      <p className="dimmed">{t.templates.intro}</p>
      <Loaded query={query} what={t.templates.what}>
        {(data) =>
          data.items.length === 0 ? (
            <Empty hint={t.templates.noneHint}>{t.templates.none}</Empty>
          ) : (
            <DataTable label={t.templates.title} columns={columns} rows={data.items} keyOf={({ spec }) => `${spec.name}@${spec.version}`} />
          )
        }
      </Loaded>
    </Page>
  );
}
