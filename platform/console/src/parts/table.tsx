// The one table of the console.

import type { ReactNode } from 'react';

export type Column<T> = {
  head: string;
  cell: (row: T) => ReactNode;
  /** `number` is aligned at its end; `tight` is not wrapped; `long` is broken anywhere. */
  kind?: 'number' | 'tight' | 'long';
};

type Props<T> = { label: string; columns: Column<T>[]; rows: readonly T[]; keyOf: (row: T) => string };

/** Roles are said explicitly: on a phone rows are cards, and a browser would take the table for none. */
export function DataTable<T>({ label, columns, rows, keyOf }: Props<T>) {
  return (
    <table className="table" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((c) => (
            <th key={c.head} role="columnheader" scope="col" className={c.kind}>{c.head}</th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map((c) => (
              <td key={c.head} role="cell" className={c.kind} data-label={c.head}><div>{c.cell(row)}</div></td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
