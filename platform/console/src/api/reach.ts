// Whether what is shown is current: the API may be away, and the API may say that the hub is.

import { useSyncExternalStore } from 'react';

export type Reach = {
  /** When the API answered last (ms since 1970), if it does not any more. */
  away: number | null;
  /** When the hub was seen last, where the API says that it does not answer. */
  hubSeen: number | null;
};

/** The API's header with the age of what it tells, in seconds. */
const STALE = 'flatnet-stale-seconds';

let reach: Reach = { away: null, hubSeen: null };
let answered = Date.now();
const listeners = new Set<() => void>();

function set(next: Reach) {
  if (next.away === reach.away && next.hubSeen === reach.hubSeen) return;
  reach = next;
  for (const tell of listeners) tell();
}

export function noteAnswer(response: Response) {
  answered = Date.now();
  const seconds = Number(response.headers.get(STALE) ?? Number.NaN);
  set({ away: null, hubSeen: Number.isFinite(seconds) ? answered - seconds * 1000 : null });
}

export function noteSilence() {
  set({ ...reach, away: reach.away ?? answered });
}

export function useReach(): Reach {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => reach,
  );
}
