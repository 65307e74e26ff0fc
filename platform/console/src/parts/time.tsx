// Times, told as what they mean now, with the exact one beside.

import { useSyncExternalStore } from 'react';

import { type Lang, useText } from '../text';

let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for all that is shown; it runs while somebody looks. */
function subscribe(tell: () => void) {
  listeners.add(tell);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const told of listeners) told();
  }, 1_000);
  return () => {
    listeners.delete(tell);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

export function ago(at: number, from: number, lang: Lang): string {
  const seconds = Math.max(0, Math.round((from - at) / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['second', 1];
  return new Intl.RelativeTimeFormat(lang, { numeric: 'always' }).format(-Math.floor(seconds / size), unit as Intl.RelativeTimeFormatUnit);
}

export function useAgo(at: number | null): string {
  const { lang } = useText();
  const from = useSyncExternalStore(subscribe, () => now);
  return at === null ? '' : ago(at, Math.max(from, at), lang);
}

export function Ago({ at }: { at: string | null | undefined }) {
  const { lang } = useText();
  const when = at ? Date.parse(at) : null;
  const words = useAgo(when);
  if (when === null || !at) return <>–</>;
  return <time dateTime={at} title={new Date(when).toLocaleString(lang)}>{words}</time>;
}

/** A moment that does not move: of a timeline, of the audit log. */
export function At({ at }: { at: string }) {
  const { lang } = useText();
  const words = new Intl.DateTimeFormat(lang, { dateStyle: 'short', timeStyle: 'medium' }).format(new Date(at));
  return <time dateTime={at} title={at}>{words}</time>;
}
