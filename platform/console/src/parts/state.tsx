// States by word, shape and colour: any one of the three is enough.

import type { InstanceState, Phase } from '../api/types';
import { useText } from '../text';

export type Tone = 'good' | 'bad' | 'warn' | 'run' | 'quiet';
export type ShapeName = 'check' | 'cross' | 'triangle' | 'ring' | 'square' | 'dash' | 'down';

const PATHS: Record<ShapeName, string> = {
  check: 'M2.5 8.5 6.5 12.5 13.5 4',
  cross: 'M3.5 3.5 12.5 12.5M12.5 3.5 3.5 12.5',
  triangle: 'M8 2 14.5 13.5 1.5 13.5ZM8 6.5V9.5M8 11.4V11.6',
  ring: 'M8 2A6 6 0 1 1 2 8',
  square: 'M3 3H13V13H3Z',
  dash: 'M3 8H13',
  down: 'M8 2V13M3.5 8.5 8 13 12.5 8.5',
};

export function Shape({ name }: { name: ShapeName }) {
  return (
    <svg className="shape" viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" strokeWidth="2">
      <path d={PATHS[name]} strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}

export function State({ tone, shape, children }: { tone: Tone; shape: ShapeName; children: string }) {
  return (
    <span className={`state tone-${tone}`}>
      <Shape name={shape} />
      {children}
    </span>
  );
}

const PHASES: Record<Phase, [Tone, ShapeName]> = {
  Pending: ['run', 'ring'],
  Placing: ['run', 'ring'],
  Raising: ['run', 'ring'],
  Waiting: ['run', 'ring'],
  Gating: ['run', 'ring'],
  Baking: ['run', 'ring'],
  Holding: ['good', 'check'],
  Retiring: ['good', 'check'],
  Done: ['good', 'check'],
  Paused: ['warn', 'triangle'],
  Aborting: ['bad', 'cross'],
  Aborted: ['bad', 'cross'],
  Superseded: ['quiet', 'dash'],
  Failed: ['bad', 'cross'],
};

export function PhaseState({ phase }: { phase: Phase }) {
  const { t } = useText();
  const [tone, shape] = PHASES[phase];
  return <State tone={tone} shape={shape}>{t.phase[phase]}</State>;
}

const INSTANCES: Record<InstanceState, [Tone, ShapeName]> = {
  inService: ['good', 'check'],
  starting: ['run', 'ring'],
  draining: ['warn', 'down'],
  parked: ['quiet', 'square'],
  deleting: ['quiet', 'down'],
  ended: ['bad', 'cross'],
};

export function InstanceStateWord({ state }: { state: InstanceState }) {
  const { t } = useText();
  const [tone, shape] = INSTANCES[state];
  return <State tone={tone} shape={shape}>{t.instance[state]}</State>;
}
