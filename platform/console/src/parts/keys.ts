// Keys: `/` searches, `?` helps, `g` and a letter go somewhere. Never while somebody types.

import { useEffect, useRef } from 'react';

export type Keys = { search: () => void; help: () => void; go: Record<string, () => void> };

/** How long after `g` the letter may come, in ms. */
const TOGETHER = 1_500;

function types(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function useKeys(keys: Keys) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let gone = Number.NEGATIVE_INFINITY;
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || types(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      const { search, help, go } = latest.current;
      const act = event.timeStamp - gone < TOGETHER ? go[event.key] : undefined;
      gone = event.key === 'g' ? event.timeStamp : Number.NEGATIVE_INFINITY;
      const chosen = act ?? (event.key === '/' ? search : event.key === '?' ? help : undefined);
      if (chosen) {
        event.preventDefault();
        chosen();
      }
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}
