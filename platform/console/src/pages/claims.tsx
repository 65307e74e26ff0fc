// Requests for locations, and their answers.

import { Button, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';

import { answer, api } from '../api/client';
import { claimsQuery } from '../api/queries';
import type { Claim } from '../api/types';
import { ActForm } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { useDraft } from '../parts/draft';
import { Empty, Loaded } from '../parts/loaded';
import { Note } from '../parts/note';
import { Page } from '../parts/page';
import { State } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { paths } from '../paths';
import { Said, useText } from '../text';

type Asked = { claim: Claim; grant: boolean };

function AnswerDialog({ claim, grant, close }: Asked & { close: () => void }) {
  const { t } = useText();
  const client = useQueryClient();
  const { team, name, spec } = claim;
  const [message, setMessage, forget] = useDraft(`claim.${team}/${name}`, '');
  const send = useMutation({
    mutationFn: () => {
      const body = { approved: grant, ...(message.trim() && { message: message.trim() }) };
      return answer(api.POST('/api/v1/teams/{team}/claims/{claim}/answer', { params: { path: { team, claim: name } }, body }));
    },
    onSuccess: () => {
      forget();
      void client.invalidateQueries({ queryKey: ['claims'] });
      close();
    },
  });
  return (
    <Dialog title={t.claims.answerTitle(grant, `${team}/${spec.app}`, spec.location)} close={close}>
      <ActForm go={grant ? t.claims.grant : t.claims.refuse} danger={!grant} send={{ ...send, mutate: () => send.mutate() }} cancel={close}>
        <Note tone="quiet"><p>{t.claims.asks(spec.instances, spec.location)}</p></Note>
        <Textarea
          label={t.claims.message}
          description={t.claims.messageHint}
          rows={3}
          value={message}
          onChange={(event) => setMessage(event.currentTarget.value)}
        />
      </ActForm>
    </Dialog>
  );
}

function Answer({ claim }: { claim: Claim }) {
  const { t } = useText();
  const { approved, by, message } = claim.status;
  if (approved == null) return <State tone="warn" shape="triangle">{t.claims.open}</State>;
  return (
    <>
      <State tone={approved ? 'good' : 'bad'} shape={approved ? 'check' : 'cross'}>{approved ? t.claims.granted : t.claims.refused}</State>
      {by && <div className="small">{t.claims.by(by)}</div>}
      {message && <div className="small"><Said>{message}</Said></div>}
    </>
  );
}

export function Component() {
  const { t } = useText();
  const query = useQuery(claimsQuery);
  const [asked, setAsked] = useState<Asked | null>(null);
  const columns: Column<Claim>[] = [
    { head: t.claims.app, cell: (c) => <Link to={paths.app(c.team, c.spec.app)}>{c.team}/{c.spec.app}</Link> },
    { head: t.claims.location, cell: (c) => c.spec.location },
    { head: t.claims.instances, kind: 'number', cell: (c) => c.spec.instances },
    { head: t.claims.room, kind: 'number', cell: (c) => c.room ?? t.claims.noRoomKnown },
    { head: t.claims.reason, cell: (c) => c.spec.reason ?? '' },
    { head: t.claims.answer, cell: (c) => <Answer claim={c} /> },
    {
      head: t.common.actions,
      cell: (c) => {
        const name = `${c.team}/${c.spec.app}, ${c.spec.location}`;
        return (
          <div className="row">
            <Button size="compact-sm" variant="default" aria-label={`${t.claims.grant}: ${name}`} onClick={() => setAsked({ claim: c, grant: true })}>{t.claims.grant}</Button>
            <Button size="compact-sm" variant="default" aria-label={`${t.claims.refuse}: ${name}`} onClick={() => setAsked({ claim: c, grant: false })}>{t.claims.refuse}</Button>
          </div>
        );
      },
    },
  ];
  return (
    <Page title={t.claims.title}>
      <p className="dimmed">{t.claims.intro}</p>
      <Loaded query={query} what={t.claims.what}>
        {(data) =>
          data.items.length === 0 ? (
            <Empty hint={t.claims.noneHint}>{t.claims.none}</Empty>
          ) : (
            <DataTable label={t.claims.title} columns={columns} rows={data.items} keyOf={(c) => `${c.team}/${c.name}`} />
          )
        }
      </Loaded>
      {asked && <AnswerDialog {...asked} close={() => setAsked(null)} />}
    </Page>
  );
}
