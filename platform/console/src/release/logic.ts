// What a release is about to do, and what may be done with it now. Pure: `flatctl release watch` says the same.

import type { Gate, Phase, Release, ReleasePolicy, Step } from '../api/types';

export type GateKind = 'network' | 'addresses' | 'probe' | 'metrics' | 'human';

export function gateKind(gate: Gate): GateKind {
  if (gate.network != null) return 'network';
  if (gate.addresses != null) return 'addresses';
  if (gate.probe != null) return 'probe';
  if (gate.metrics != null) return 'metrics';
  return 'human';
}

const OVER: readonly Phase[] = ['Done', 'Aborted', 'Superseded', 'Failed'];
const STEP: readonly Phase[] = ['Raising', 'Waiting', 'Gating', 'Baking'];

export const phaseOf = (release: Release): Phase => release.status.phase ?? 'Pending';
export const isOver = (phase: Phase): boolean => OVER.includes(phase);
export const isStep = (phase: Phase): boolean => STEP.includes(phase);

export type Sums = { new: number; newInService: number; old: number; inService: number; parked: number; dark: string[] };

/** The figures of a release, summed over its clusters; `dark` are those whose figures are old. */
export function sums(release: Release): Sums {
  const all: Sums = { new: 0, newInService: 0, old: 0, inService: 0, parked: 0, dark: [] };
  for (const c of release.status.perCluster ?? []) {
    all.new += c.new ?? 0;
    all.newInService += c.newInService ?? 0;
    all.old += c.old ?? 0;
    all.inService += c.inService ?? 0;
    all.parked += c.parked ?? 0;
    if (!c.current) all.dark.push(c.cluster ?? '');
  }
  return all;
}

/** Milliseconds of a span such as `1h30m`. */
export function millis(span: string | undefined): number {
  const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  let all = 0;
  for (const [, count, unit] of (span ?? '').matchAll(/(\d+)(ms|s|m|h|d)/g)) all += Number(count) * (units[unit ?? ''] ?? 0);
  return all;
}

/** What comes next if nobody decides otherwise. */
export type Next =
  | { kind: 'step'; number: number; step: Step; bake?: { done: string; of: string } }
  | { kind: 'all'; replicas: number; kept: string; span: string; bake?: { done: string; of: string } }
  | { kind: 'gates'; gates: GateKind[] }
  | { kind: 'bake'; span: string }
  | { kind: 'decide' | 'newGo' | 'done' | 'none' }
  | { kind: 'parkedGo'; span: string };

export function next(release: Release, policy: ReleasePolicy): Next {
  const { status } = release;
  const steps = policy.steps ?? [];
  const step = status.step ?? 0;
  const now = step > 0 ? steps[step - 1] : undefined;
  const bakes = now !== undefined && millis(now.bake) > 0;
  const kept = String(policy.keepOld?.count ?? '100%');
  const span = policy.keepOld?.for ?? '1h';
  const after = (done: number): Next => {
    const following = steps[done];
    return following
      ? { kind: 'step', number: done + 1, step: following }
      : { kind: 'all', replicas: release.replicas, kept, span };
  };
  switch (phaseOf(release)) {
    case 'Pending':
    case 'Placing':
      return after(0);
    case 'Raising':
    case 'Waiting':
      if (now?.gates?.length) return { kind: 'gates', gates: now.gates.map(gateKind) };
      return bakes ? { kind: 'bake', span: now.bake ?? '' } : after(step);
    case 'Gating':
      return bakes ? { kind: 'bake', span: now.bake ?? '' } : after(step);
    case 'Baking': {
      const following = after(step);
      if (bakes && (following.kind === 'step' || following.kind === 'all')) {
        following.bake = { done: status.timers?.bake ?? '0s', of: now.bake ?? '' };
      }
      return following;
    }
    case 'Paused':
      return { kind: 'decide' };
    case 'Holding':
      return { kind: 'parkedGo', span };
    case 'Aborting':
      return { kind: 'newGo' };
    case 'Retiring':
      return { kind: 'done' };
    default:
      return { kind: 'none' };
  }
}

/** What an abort would do now. */
export type Abort = { kind: 'over' | 'underWay' } | { kind: 'would'; atOnce: number; made: number; removed: number };

export function abort(release: Release): Abort {
  const phase = phaseOf(release);
  if (isOver(phase) || phase === 'Retiring') return { kind: 'over' };
  if (phase === 'Aborting') return { kind: 'underWay' };
  const all = sums(release);
  const oldInService = Math.max(0, all.inService - all.newInService);
  const wanted = Math.max(0, release.replicas - oldInService);
  const atOnce = Math.min(wanted, all.parked);
  return { kind: 'would', atOnce, made: wanted - atOnce, removed: all.new };
}

/** Why something cannot be done with a release now; `null` where it can. */
export type Reason = null | 'over' | 'noStep' | 'paused' | 'notPaused' | 'aborting' | 'retiring' | 'noGate';
export type Act = 'promote' | 'pause' | 'resume' | 'abort';

export function reason(act: Act, release: Release): Reason {
  const phase = phaseOf(release);
  if (isOver(phase)) return 'over';
  if (phase === 'Aborting') return 'aborting';
  if (phase === 'Retiring') return 'retiring';
  switch (act) {
    case 'promote':
      return (release.status.step ?? 0) > 0 && (isStep(phase) || phase === 'Paused') ? null : 'noStep';
    case 'pause':
      return phase === 'Paused' || release.spec.decision === 'Pause' ? 'paused' : null;
    case 'resume':
      return phase === 'Paused' || release.spec.decision === 'Pause' ? null : 'notPaused';
    default:
      return null;
  }
}

/** Whether a human gate of the step waits for somebody. */
export const waitsForSomebody = (release: Release): boolean =>
  isStep(phaseOf(release)) && (release.status.gates ?? []).some((g) => g.kind === 'human' && g.verdict !== 'Pass');

/** `sha256:` and 64 hexadecimal digits; `null` for whatever else. */
export function digestOf(text: string): string | null {
  const found = /(?:^|@)(sha256:[0-9a-f]{64})$/.exec(text.trim());
  return found?.[1] ?? null;
}

export const shortDigest = (digest: string): string => `${digest.slice(0, 19)}…`;
