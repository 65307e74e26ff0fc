// What a release's page is made of.

import type { GateStatus, Phase, Release, ReleasePolicy, Verdict } from '../api/types';
import { State } from '../parts/state';
import { type Column, DataTable } from '../parts/table';
import { At } from '../parts/time';
import { Said, useText } from '../text';
import { type GateKind, isOver, phaseOf } from './logic';
import { stepWords } from './words';

type Count = NonNullable<Release['status']['perCluster']>[number];

export function ClusterCounts({ release }: { release: Release }) {
  const { t } = useText();
  const counts = release.status.perCluster ?? [];
  const columns: Column<Count>[] = [
    { head: t.release.cluster, cell: (c) => c.cluster },
    { head: t.release.fresh, kind: 'number', cell: (c) => c.new ?? 0 },
    { head: t.release.freshServing, kind: 'number', cell: (c) => c.newInService ?? 0 },
    { head: t.release.old, kind: 'number', cell: (c) => c.old ?? 0 },
    { head: t.release.parkedOnes, kind: 'number', cell: (c) => c.parked ?? 0 },
    { head: t.release.serving, kind: 'number', cell: (c) => c.inService ?? 0 },
    {
      head: t.release.counted,
      cell: (c) =>
        c.current ? t.release.current : <State tone="warn" shape="triangle">{t.release.last}</State>,
    },
  ];
  if (counts.length === 0) return <p className="dimmed">{t.release.noClusters}</p>;
  return <DataTable label={t.release.clusters} columns={columns} rows={counts} keyOf={(c) => c.cluster ?? ''} />;
}

const VERDICTS: Record<Verdict, ['good' | 'bad' | 'warn', 'check' | 'cross' | 'triangle']> = {
  Pass: ['good', 'check'],
  Fail: ['bad', 'cross'],
  Unknown: ['warn', 'triangle'],
};

export function Gates({ release }: { release: Release }) {
  const { t } = useText();
  const gates = release.status.gates ?? [];
  const columns: Column<GateStatus>[] = [
    { head: t.release.gate, cell: (g) => t.gates[g.kind as GateKind] ?? g.kind },
    {
      head: t.release.says,
      kind: 'tight',
      cell: (g) => {
        const [tone, shape] = VERDICTS[g.verdict];
        const waits = g.kind === 'human' && g.verdict === 'Unknown';
        return <State tone={tone} shape={shape}>{waits ? t.release.gateWaits : t.verdict[g.verdict]}</State>;
      },
    },
    { head: t.release.why, cell: (g) => <Said>{g.reason}</Said> },
  ];
  if (gates.length === 0) return <p className="dimmed">{t.release.noGates}</p>;
  return <DataTable label={t.release.gates} columns={columns} rows={gates} keyOf={(g) => String(g.gate)} />;
}

/** Where a step is: before the release, under it, behind it. */
function placeOf(number: number, step: number, phase: Phase): 'stepDone' | 'stepNow' | 'stepLater' | 'stepLeft' {
  const through = phase === 'Holding' || phase === 'Retiring' || phase === 'Done';
  if (through || number < step) return 'stepDone';
  const ended = isOver(phase) || phase === 'Aborting';
  if (number === step && !ended) return 'stepNow';
  return ended ? 'stepLeft' : 'stepLater';
}

export function Steps({ release, policy }: { release: Release; policy: ReleasePolicy }) {
  const { t } = useText();
  const looks = { stepDone: ['good', 'check'], stepNow: ['run', 'ring'], stepLater: ['quiet', 'dash'], stepLeft: ['quiet', 'cross'] } as const;
  return (
    <ol className="plain">
      {(policy.steps ?? []).map((step, place) => {
        const where = placeOf(place + 1, release.status.step ?? 0, phaseOf(release));
        const [tone, shape] = looks[where];
        return (
          // Steps have no names: their place is what they are.
          <li key={place} className="step" aria-current={where === 'stepNow' ? 'step' : undefined}>
            <State tone={tone} shape={shape}>{t.release[where]}</State>
            <span>{t.start.step(place + 1, stepWords(t, step))}</span>
          </li>
        );
      })}
    </ol>
  );
}

export function Timeline({ release }: { release: Release }) {
  const { t } = useText();
  const history = [...(release.status.history ?? [])].reverse();
  if (history.length === 0) return <p className="dimmed">{t.release.noTimeline}</p>;
  return (
    <ol className="plain timeline">
      {history.map((entry, place) => (
        <li key={`${entry.at} ${entry.phase} ${history.length - place}`}>
          <span className="small dimmed"><At at={entry.at} /></span>
          <span>
            <strong>{t.phase[entry.phase]}</strong>
            {entry.step > 0 && release.steps > 0 && `, ${t.release.step(entry.step, release.steps)}`}
            {entry.message && <> – <Said>{entry.message}</Said></>}
          </span>
        </li>
      ))}
    </ol>
  );
}
