// Something that is told in a box: a problem, a warning.

import type { ReactNode } from 'react';

import { Shape, type ShapeName, type Tone } from './state';

const SHAPES: Record<Tone, ShapeName> = { good: 'check', bad: 'cross', warn: 'triangle', run: 'ring', quiet: 'dash' };

type Props = { tone: Tone; title?: ReactNode; children?: ReactNode; role?: 'alert' | 'status'; banner?: boolean };

export function Note({ tone, title, children, role, banner }: Props) {
  return (
    <div className={`note tone-${tone}${banner ? ' banner' : ''}`} role={role}>
      <Shape name={SHAPES[tone]} />
      <div className="words">
        {title && <strong>{title}</strong>}
        {children}
      </div>
    </div>
  );
}
