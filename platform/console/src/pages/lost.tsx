// An address that is none, and a page that failed.

import { Button } from '@mantine/core';
import { Link } from 'react-router';

import { Page } from '../parts/page';
import { paths } from '../paths';
import { useText } from '../text';

export function Lost() {
  const { t } = useText();
  return (
    <Page title={t.common.lost}>
      <p>{t.common.lostHint}</p>
      <p><Link to={paths.apps()}>{t.nav.apps}</Link></p>
    </Page>
  );
}

export function Crashed() {
  const { t } = useText();
  return (
    <main>
      <Page title={t.common.crashed}>
        <p>{t.common.crashedHint}</p>
        <div className="row">
          <Button onClick={() => window.location.reload()}>{t.common.reload}</Button>
        </div>
      </Page>
    </main>
  );
}
