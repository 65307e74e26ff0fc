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
  const when = at ? Date.parse(at) : null;
  const words = useAgo(when);
  if (when === null || !at) return <>–</>;
  return <time dateTime={at} title={exact(when)}>{words}</time>;
}

/** How old something is, as short as can be. */
export function Age({ at }: { at: string | null | undefined }) {
  const { lang } = useText();
  const from = useSyncExternalStore(subscribe, () => now);
  if (!at) return <>–</>;
  const seconds = Math.max(0, Math.floor((from - Date.parse(at)) / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['second', 1];
  const words = new Intl.NumberFormat(lang, { style: 'unit', unit, unitDisplay: 'short' }).format(Math.floor(seconds / size));
  return <time dateTime={at} title={exact(Date.parse(at))}>{words}</time>;
}

/** Year first and 24 hours, in both languages: nobody has to ask which number is the month. */
function exact(at: number): string {
  const when = new Date(at);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  return `${day} ${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
}

/** A moment that does not move: of a timeline, of the audit log. */
export function At({ at }: { at: string }) {
  return <time dateTime={at} title={at}>{exact(Date.parse(at))}</time>;
}
