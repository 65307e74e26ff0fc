// The next page of a list.

import { Button } from '@mantine/core';

import { useText } from '../text';

type Pages = { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };

export function More({ query }: { query: Pages }) {
  const { t } = useText();
  if (!query.hasNextPage) return null;
  return (
    <div className="row">
      <Button variant="default" onClick={() => void query.fetchNextPage()}>
        {query.isFetchingNextPage ? t.common.moreLoading : t.common.more}
      </Button>
    </div>
  );
}
