// What the logic says, in the words of a language.

import type { Step } from '../api/types';
import type { Messages } from '../text/en';
import { type Abort, type Next, gateKind, millis } from './logic';

export function stepWords(t: Messages, step: Step): string {
  const bake = millis(step.bake) > 0 ? (step.bake ?? '') : '';
  return t.stepWords(String(step.instances), step.locations === 'First', (step.gates ?? []).map(gateKind), bake);
}

export function nextWords(t: Messages, next: Next): string {
  switch (next.kind) {
    case 'step':
    case 'all': {
      const words =
        next.kind === 'step'
          ? t.next.step(next.number, stepWords(t, next.step))
          : t.next.all(next.replicas, next.kept, next.span);
      return next.bake ? `${words} (${t.next.baked(next.bake.done, next.bake.of)})` : words;
    }
    case 'gates':
      return t.next.gates(next.gates);
    case 'bake':
      return t.next.bake(next.span);
    case 'parkedGo':
      return t.next.parkedGo(next.span);
    default:
      return t.next[next.kind];
  }
}

export function abortWords(t: Messages, abort: Abort): string {
  return abort.kind === 'would' ? t.abort.would(abort.atOnce, abort.made, abort.removed) : t.abort[abort.kind];
}
