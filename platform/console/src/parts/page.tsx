// What every page has: a title, which is also the tab's, and the focus for who reads by ear.

import { type ReactNode, useEffect, useRef } from 'react';

import { useText } from '../text';

type Props = { title: string; heading?: ReactNode; beside?: ReactNode; acts?: ReactNode; children: ReactNode };

export function Page({ title, heading, beside, acts, children }: Props) {
  const { t } = useText();
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} – ${t.product}`;
  }, [title, t]);
  useEffect(() => {
    // Not where a field has it already, by autoFocus.
    if (document.activeElement === document.body) ref.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="page">
      <div className="head">
        <div className="titles">
          <h1 ref={ref} tabIndex={-1}>{heading ?? title}</h1>
          {beside}
        </div>
        {acts}
      </div>
      {children}
    </div>
  );
}
