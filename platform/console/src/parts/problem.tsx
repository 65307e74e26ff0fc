// What the API refused, with its reason and what to do about it.

import { Button } from '@mantine/core';

import { ApiError, silent } from '../api/client';
import { Said, useText } from '../text';
import { Note } from './note';

export function ProblemNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useText();
  const { problem } = error instanceof ApiError ? error : silent();
  const own: Record<string, [string, string]> = {
    unreachable: [t.problem.unreachable, t.problem.unreachableHint],
    foreign: [t.problem.foreign(problem.status), t.problem.foreignHint],
  };
  const words = own[problem.code];
  return (
    <Note tone="bad" role="alert" title={words ? words[0] : t.problem.title}>
      {words ? <p>{words[1]}</p> : <p><Said>{problem.detail || problem.title}</Said></p>}
      {problem.hint && <p>{t.problem.hint}: <Said>{problem.hint}</Said></p>}
      {problem.fields && problem.fields.length > 0 && (
        <ul>
          {problem.fields.map((field) => (
            <li key={field.field}><code>{field.field}</code>: <Said>{field.message}</Said></li>
          ))}
        </ul>
      )}
      {!words && <p className="small">{t.problem.code(problem.code, problem.status)}</p>}
      {retry && (
        <div className="row">
          <Button size="compact-sm" variant="default" onClick={retry}>{t.common.retry}</Button>
        </div>
      )}
    </Note>
  );
}
