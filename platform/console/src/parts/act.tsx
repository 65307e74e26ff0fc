// A button that says why it cannot be pressed, and a form that is sent by one.

import { Button, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useId, useState } from 'react';

import { useText } from '../text';
import { ProblemNote } from './problem';

type ActProps = {
  children: string;
  /** Why it cannot be pressed now. It keeps its place and can be focused: the reason is read with it. */
  why?: string | null;
  /** What it does, where that is not plain. */
  does?: string;
  primary?: boolean;
  danger?: boolean;
  onClick: () => void;
};

export function Act({ children, why, does, primary, danger, onClick }: ActProps) {
  const id = useId();
  const told = why || does;
  return (
    <div className="act">
      <Button
        variant={primary ? 'filled' : danger ? 'outline' : 'default'}
        color={danger ? 'red' : 'blue'}
        aria-disabled={why ? true : undefined}
        data-disabled={why ? true : undefined}
        aria-describedby={told ? id : undefined}
        onClick={() => {
          if (!why) onClick();
        }}
      >
        {children}
      </Button>
      {told && <span id={id} className="why">{told}</span>}
    </div>
  );
}

type FormProps = {
  go: string;
  danger?: boolean;
  /** What is to be typed before it can be sent; absent for what harms nobody. */
  word?: string | undefined;
  /** What is wrong with the fields; `null` where nothing is. */
  wrong?: string | null;
  send: { mutate: () => void; isPending: boolean; error: unknown };
  cancel: () => void;
  children: ReactNode;
};

/** The fields of an act, what it will do, and its button. What was refused is told here, and nothing that was typed goes. */
export function ActForm({ go, danger, word, wrong, send, cancel, children }: FormProps) {
  const { t } = useText();
  const [typed, setTyped] = useState('');
  const [tried, setTried] = useState(false);
  const missing = word !== undefined && typed.trim() !== word ? t.confirm.notYet(word) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!wrong && !missing && !send.isPending) send.mutate();
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      {children}
      {word !== undefined && (
        <TextInput
          label={t.confirm.type(word)}
          value={typed}
          autoComplete="off"
          spellCheck={false}
          error={tried && missing}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      )}
      {tried && wrong && <p role="alert" className="small">{wrong}</p>}
      {send.error != null && <ProblemNote error={send.error} />}
      <div className="row ends">
        {send.isPending && <span role="status" className="dimmed small">{t.common.working}</span>}
        <Button variant="default" type="button" onClick={cancel}>{t.common.cancel}</Button>
        <Button type="submit" color={danger ? 'red' : 'blue'} aria-disabled={send.isPending || undefined}>{go}</Button>
      </div>
    </form>
  );
}
