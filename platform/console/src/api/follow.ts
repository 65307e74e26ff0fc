// A release as it goes: its events, resumed where they broke off.

import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { ApiError, call, refusal } from './client';
import { EventParser } from './events';
import { releaseKey } from './queries';
import type { Release } from './types';

/** How the connection is: `ended` when the release is over. */
export type Connection = 'connecting' | 'live' | 'lost' | 'ended';

/** The server sends something every 15 s. A connection that is silent for longer is dead, whatever TCP says. */
const SILENCE = 40_000;
/** From one attempt to the next, at first and at most. */
const PAUSE = [500, 8_000] as const;

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      done();
    });
  });
}

type Told = { release: (release: Release) => void; state: (state: Connection) => void; refused: (error: ApiError) => void };

async function follow(path: string, stop: AbortSignal, told: Told): Promise<void> {
  const parser = { last: '' };
  let pause: number = PAUSE[0];
  while (!stop.aborted) {
    const dead = new AbortController();
    let timer = setTimeout(() => dead.abort(), SILENCE);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (parser.last) headers['last-event-id'] = parser.last;
      const signal = AbortSignal.any([stop, dead.signal]);
      const response = await call(new Request(path, { headers, signal }));
      if (!response.ok || !response.body) {
        const error = refusal(response.status, await response.json().catch(() => null));
        if (!error.passes) {
          told.refused(error);
          return;
        }
        throw error;
      }
      told.state('live');
      pause = PAUSE[0];
      // Each connection has a parser of its own: half an event of one that broke off is no event.
      const events = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => dead.abort(), SILENCE);
        for (const event of events.push(value)) {
          if (event.id) parser.last = event.id;
          if (event.name === 'release') told.release(JSON.parse(event.data) as Release);
          if (event.name === 'end') {
            told.state('ended');
            return;
          }
        }
      }
    } catch {
      // Broken off, silent or refused for the moment: again, after a pause.
    } finally {
      clearTimeout(timer);
    }
    if (stop.aborted) return;
    told.state('lost');
    await sleep(pause, stop);
    pause = Math.min(pause * 2, PAUSE[1]);
  }
}

/** Keeps the release of the query cache current. */
export function useReleaseEvents(team: string, app: string, release: string): { state: Connection; refused: ApiError | null } {
  const client = useQueryClient();
  const [state, setState] = useState<Connection>('connecting');
  const [refused, setRefused] = useState<ApiError | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    setState('connecting');
    setRefused(null);
    const path = `/api/v1/teams/${team}/apps/${app}/releases/${release}/events`;
    void follow(path, stop.signal, {
      release: (now) => client.setQueryData(releaseKey(team, app, release), now),
      state: setState,
      refused: setRefused,
    });
    return () => stop.abort();
  }, [client, team, app, release]);
  return { state, refused };
}
