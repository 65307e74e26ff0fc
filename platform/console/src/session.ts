// Who is logged in. The token is in sessionStorage alone: it ends with the tab, and no other tab or disk has it.

import { useSyncExternalStore } from 'react';

const KEY = 'flatnet.session';

export type Session = { token: string; name: string };

const listeners = new Set<() => void>();
let current: Session | null = read();
/** Why the session ended, for the login page: `expired` where the server refused its token. */
let ended: 'expired' | null = null;

function read(): Session | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    if (typeof kept === 'object' && kept !== null && 'token' in kept && 'name' in kept) {
      return { token: String(kept.token), name: String(kept.name) };
    }
  } catch {
    // Something else wrote there, or storage is forbidden: log in again.
  }
  return null;
}

function set(session: Session | null, why: 'expired' | null) {
  current = session;
  ended = why;
  try {
    if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
    else sessionStorage.removeItem(KEY);
  } catch {
    // It lasts until the page is loaded again.
  }
  for (const tell of listeners) tell();
}

export const session = {
  now: () => current,
  whyEnded: () => ended,
  begin: (token: string, name: string) => set({ token, name }, null),
  end: () => set(null, null),
  /** The server refused this token. A later one stays. */
  refused(token: string) {
    if (current?.token === token) set(null, 'expired');
  },
};

export function useSession(): Session | null {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => current,
  );
}
