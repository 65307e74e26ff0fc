// The same cases as those of `flatctl release watch`.

import type { Phase, Release, ReleasePolicy } from '../api/types';
import { en } from '../text/en';
import { zh } from '../text/zh';
import { abort, digestOf, millis, next, reason, sums, waitsForSomebody } from './logic';
import { abortWords, nextWords } from './words';

function same(found: unknown, wanted: unknown) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
}

function release(phase: Phase, fresh = 1, old = 9, parked = 1): Release {
  const count = { cluster: 'idc', current: true, new: fresh, old: old + parked, inService: fresh + old, newInService: fresh, parked };
  return {
    team: 'shop',
    name: 'web-3',
    resourceVersion: '1',
    steps: 2,
    replicas: 10,
    spec: { app: 'web', digest: `sha256:${'1'.repeat(64)}` },
    status: { phase, step: 1, perCluster: [count, { cluster: 'cloud', current: false }] },
  };
}

const policy: ReleasePolicy = { steps: [{ instances: 1, bake: '5m', gates: [{ probe: '/healthz' }] }, { instances: '20%' }] };

export const tests = {
  'what comes next is told for each phase'() {
    const told: [Phase, string][] = [
      ['Pending', 'step 1: 1 instance; gates: probe; bake 5m'],
      ['Raising', 'the gates: probe'],
      ['Gating', 'bake for 5m'],
      ['Baking', 'step 2: 20% of the instances (after 0s of 5m bake)'],
      ['Holding', 'the parked ones go after 1h'],
      ['Done', 'nothing: it is over'],
    ];
    for (const [phase, words] of told) same(nextWords(en, next(release(phase), policy)), words);
  },
  'after the last step all follow'() {
    const last = release('Raising');
    last.status.step = 2;
    same(next(last, policy).kind, 'all');
  },
  'an abort says what is parked, made again and removed'() {
    same(abortWords(en, abort(release('Gating'))), '1 parked instance back at once; 1 new instance removed');
    same(
      abortWords(en, abort(release('Raising', 4, 6, 1))),
      '1 parked instance back at once, 3 old instances made again; 4 new instances removed',
    );
    same(abort(release('Done')).kind, 'over');
    same(abort(release('Aborting')).kind, 'underWay');
  },
  'figures of a cluster that does not answer are told as old'() {
    same(sums(release('Gating')).dark, ['cloud']);
  },
  'an act that cannot be done says why'() {
    same(reason('promote', release('Gating')), null);
    same(reason('promote', release('Holding')), 'noStep');
    same(reason('pause', release('Paused')), 'paused');
    same(reason('resume', release('Gating')), 'notPaused');
    same(reason('abort', release('Retiring')), 'retiring');
    for (const act of ['promote', 'pause', 'resume', 'abort'] as const) same(reason(act, release('Aborted')), 'over');
  },
  'a human gate that has not passed waits for somebody'() {
    const waits = release('Gating');
    waits.status.gates = [{ gate: 0, kind: 'human', verdict: 'Unknown' }];
    same(waitsForSomebody(waits), true);
    waits.status.gates = [{ gate: 0, kind: 'human', verdict: 'Pass' }];
    same(waitsForSomebody(waits), false);
  },
  'a digest may be pasted with its image, and a tag is none'() {
    const digest = `sha256:${'ab'.repeat(32)}`;
    same(digestOf(` registry.example/shop/web@${digest}\n`), digest);
    for (const wrong of ['web:latest', digest.slice(1), `${digest}0`, digest.toUpperCase(), '']) same(digestOf(wrong), null);
  },
  'spans are sums of units'() {
    same([millis('1h30m'), millis('1500ms'), millis('0s'), millis(undefined)], [5_400_000, 1_500, 0, 0]);
  },
  'both languages have words for every key'() {
    const keys = (table: object): string[] =>
      Object.entries(table).flatMap(([key, value]) => (typeof value === 'object' && value ? keys(value).map((k) => `${key}.${k}`) : [key]));
    same(keys(zh).sort(), keys(en).sort());
  },
};
