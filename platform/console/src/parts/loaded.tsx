// What a query came to: its data, words while there is none, the problem where there never was any.

import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { ApiError } from '../api/client';
import { useText } from '../text';
import { ProblemNote } from './problem';

type Query<T> = Pick<UseQueryResult<T>, 'data' | 'error' | 'refetch'>;

/** Data that was read once stays while the API is away: the banner says how old it is. A refusal replaces it. */
export function Loaded<T>({ query, what, children }: { query: Query<T>; what: string; children: (data: T) => ReactNode }) {
  const { t } = useText();
  const refused = query.error instanceof ApiError && !query.error.passes;
  if (query.data !== undefined && !refused) return children(query.data);
  if (query.error) return <ProblemNote error={query.error} retry={() => void query.refetch()} />;
  return <p role="status" className="dimmed">{t.common.loading(what)}</p>;
}

export function Empty({ children, hint }: { children: ReactNode; hint?: ReactNode }) {
  return (
    <div className="panel">
      <p><strong>{children}</strong></p>
      {hint && <p className="dimmed">{hint}</p>}
    </div>
  );
}
