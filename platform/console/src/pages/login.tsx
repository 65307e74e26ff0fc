// Logging in: by name and password, or by a token that somebody else made.

import { Button, PasswordInput, TextInput, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Navigate, useSearchParams } from 'react-router';

import { answer, api } from '../api/client';
import { Banner } from '../parts/banner';
import { Choices } from '../parts/choices';
import { useDraft } from '../parts/draft';
import { Note } from '../parts/note';
import { Page } from '../parts/page';
import { ProblemNote } from '../parts/problem';
import { paths } from '../paths';
import { session, useSession } from '../session';
import { useText } from '../text';

const whoami = (token: string) => answer(api.GET('/api/v1/whoami', { headers: { authorization: `Bearer ${token}` } }));

/** Where to go after it: an address of this console only. */
function target(from: string | null): string {
  return from?.startsWith('/') && !from.startsWith('//') ? from : paths.apps();
}

export function Component() {
  const { t } = useText();
  const who = useSession();
  const [query] = useSearchParams();
  const [byToken, setByToken] = useState(false);
  const [name, setName, forgetName] = useDraft('login', '');
  const [password, setPassword] = useState('');
  const [token, setToken] = useState('');
  const [tried, setTried] = useState(false);
  const enter = useMutation({
    mutationFn: async () => {
      const given = byToken
        ? token.trim()
        : (await answer(api.POST('/api/v1/login', { body: { name: name.trim(), password } }))).token;
      return { token: given, who: await whoami(given) };
    },
    onSuccess: ({ token: given, who: known }) => {
      forgetName();
      session.begin(given, known.name);
    },
  });
  if (who) return <Navigate to={target(query.get('from'))} replace />;
  const wrong = {
    name: !byToken && !name.trim() && t.login.needName,
    password: !byToken && !password && t.login.needPassword,
    token: byToken && !token.trim() && t.login.needToken,
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!wrong.name && !wrong.password && !wrong.token && !enter.isPending) enter.mutate();
  };
  return (
    <>
      <header className="top">
        <span className="brand">{t.product}</span>
        <div className="menu"><Choices /></div>
      </header>
      <Banner />
      <main>
        <div className="narrow">
          <Page title={t.login.title}>
            {session.whyEnded() === 'expired' && <Note tone="warn"><p>{t.login.expired}</p></Note>}
            <form className="stack" onSubmit={submit} noValidate>
              {byToken ? (
                <Textarea
                  label={t.login.token}
                  description={t.login.tokenHint}
                  value={token}
                  rows={4}
                  spellCheck={false}
                  autoComplete="off"
                  error={tried && wrong.token}
                  onChange={(event) => setToken(event.currentTarget.value)}
                />
              ) : (
                <>
                  <TextInput
                    label={t.login.name}
                    value={name}
                    autoComplete="username"
                    autoCapitalize="none"
                    autoFocus
                    error={tried && wrong.name}
                    onChange={(event) => setName(event.currentTarget.value)}
                  />
                  <PasswordInput
                    label={t.login.password}
                    value={password}
                    autoComplete="current-password"
                    error={tried && wrong.password}
                    onChange={(event) => setPassword(event.currentTarget.value)}
                  />
                </>
              )}
              {enter.error != null && <ProblemNote error={enter.error} />}
              <Button type="submit" aria-disabled={enter.isPending || undefined}>
                {enter.isPending ? t.login.entering : t.login.enter}
              </Button>
              <p className="dimmed small">{t.login.kept}</p>
            </form>
            <div className="row">
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => {
                  enter.reset();
                  setTried(false);
                  setByToken(!byToken);
                }}
              >
                {byToken ? t.login.byName : t.login.byToken}
              </Button>
            </div>
          </Page>
        </div>
      </main>
    </>
  );
}
