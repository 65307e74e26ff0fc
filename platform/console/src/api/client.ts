// Calls of the API, typed by its OpenAPI document.

import createClient from 'openapi-fetch';

import { session } from '../session';
import { noteAnswer, noteSilence } from './reach';
import type { paths } from './schema';
import type { Problem } from './types';

/** How long an answer may take. */
const LIMIT = 20_000;

/** What the API answered instead of what was asked for, or that it did not answer. */
export class ApiError extends Error {
  readonly problem: Pick<Problem, 'title' | 'status' | 'detail' | 'hint' | 'fields'> & { code: string };

  constructor(problem: ApiError['problem']) {
    super(problem.detail || problem.title);
    this.name = 'ApiError';
    this.problem = problem;
  }

  /** Whether asking again may help. */
  get passes(): boolean {
    return this.problem.status === 0 || this.problem.status >= 500;
  }
}

/** The API did not answer. The words are put in by whoever shows it: they have a language. */
export function silent(): ApiError {
  return new ApiError({ code: 'unreachable', title: '', status: 0, detail: '' });
}

/** What a refusal's body says, whoever sent it: a proxy on the way answers in HTML. */
export function refusal(status: number, body: unknown): ApiError {
  if (typeof body === 'object' && body !== null && 'detail' in body && 'code' in body) {
    return new ApiError({ ...(body as Problem), status });
  }
  return new ApiError({ code: 'foreign', title: `HTTP ${status}`, status, detail: '' });
}

/** fetch with the session's token; what it finds out about the API is noted. */
export async function call(request: Request): Promise<Response> {
  const token = session.now()?.token;
  const headers = new Headers(request.headers);
  if (token && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(new Request(request, { headers, cache: 'no-store' }));
  } catch (error) {
    if (request.signal.aborted && request.signal.reason?.name !== 'TimeoutError') throw error;
    noteSilence();
    throw silent();
  }
  // What a proxy says in the API's place: it is away.
  if (response.status === 502 || response.status === 504) noteSilence();
  else noteAnswer(response);
  if (response.status === 401 && token) session.refused(token);
  return response;
}

export const api = createClient<paths>({
  fetch: (request) =>
    call(new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(LIMIT)]) })),
});

/** The answer, or an `ApiError`. */
export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) throw refusal(response.status, error);
  return data as T;
}

/** A key by which the API knows a request that is sent again. Also where the page came without TLS, unlike `randomUUID`. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
