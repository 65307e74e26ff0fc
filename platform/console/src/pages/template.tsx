// One version of a template, as it is.

import { useQuery } from '@tanstack/react-query';
import { useParams } from 'react-router';

import { answer, api } from '../api/client';
import { Loaded } from '../parts/loaded';
import { Page } from '../parts/page';
import { Ago } from '../parts/time';
import { useText } from '../text';

export function Component() {
  const { t } = useText();
  const { name = '', version = '' } = useParams();
  const query = useQuery({
    queryKey: ['template', name, version],
    queryFn: ({ signal }) => {
      const path = { template: name, version: Number(version) };
      return answer(api.GET('/api/v1/templates/{template}/{version}', { params: { path }, signal }));
    },
    // It never changes.
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Page title={`${name}@${version}`}>
      <Loaded query={query} what={t.templates.what}>
        {(found) => (
          <>
            <p className="dimmed small">{t.templates.made}: <Ago at={found.created} /></p>
            {/* It scrolls by itself, so that the keyboard must get there. */}
            <pre tabIndex={0} aria-label={t.templates.document} role="region">{JSON.stringify(found.spec, null, 2)}</pre>
          </>
        )}
      </Loaded>
    </Page>
  );
}
