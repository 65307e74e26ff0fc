// What pages read, each with its key and how often it is asked anew.

import { QueryClient, infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';

import { ApiError, answer, api } from './client';

/** How often a list that is looked at is asked anew, in ms. */
const LIST = 5_000;
/** The same of instances: somebody waits for them. */
const INSTANCES = 2_000;
/** The same of what changes by the month. */
const SELDOM = 60_000;

export function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Asked whether the browser thinks that it is online or not: the console may be on the same machine.
        networkMode: 'always',
        staleTime: 1_000,
        retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.passes),
        retryDelay: (attempt) => 500 * 2 ** attempt,
      },
      mutations: { networkMode: 'always', retry: false },
    },
  });
}

export const appsQuery = (q: string) =>
  infiniteQueryOptions({
    queryKey: ['apps', q],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: 100, ...(q && { q }), ...(pageParam && { after: pageParam }) };
      return answer(api.GET('/api/v1/apps', { params: { query }, signal }));
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: LIST,
  });

export const appQuery = (team: string, app: string) =>
  queryOptions({
    queryKey: ['app', team, app],
    queryFn: ({ signal }) => answer(api.GET('/api/v1/teams/{team}/apps/{app}', { params: { path: { team, app } }, signal })),
    refetchInterval: LIST,
  });

export const instancesQuery = (team: string, app: string) =>
  queryOptions({
    queryKey: ['instances', team, app],
    queryFn: ({ signal }) =>
      answer(api.GET('/api/v1/teams/{team}/apps/{app}/instances', { params: { path: { team, app } }, signal })),
    refetchInterval: INSTANCES,
  });

export const releasesQuery = (team: string, app: string) =>
  infiniteQueryOptions({
    queryKey: ['releases', team, app],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: 20, ...(pageParam && { after: pageParam }) };
      return answer(api.GET('/api/v1/teams/{team}/apps/{app}/releases', { params: { path: { team, app }, query }, signal }));
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: LIST,
  });

export const releaseKey = (team: string, app: string, release: string) => ['release', team, app, release];

/** Read once; its events keep it current. */
export const releaseQuery = (team: string, app: string, release: string) =>
  queryOptions({
    queryKey: releaseKey(team, app, release),
    queryFn: ({ signal }) => {
      const path = { team, app, release };
      return answer(api.GET('/api/v1/teams/{team}/apps/{app}/releases/{release}', { params: { path }, signal }));
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

export const placeQuery = (team: string, app: string, replicas: number) =>
  queryOptions({
    queryKey: ['place', team, app, replicas],
    queryFn: ({ signal }) => {
      const path = { team, app };
      return answer(api.POST('/api/v1/teams/{team}/apps/{app}/place', { params: { path }, body: { replicas }, signal }));
    },
    placeholderData: keepPreviousData,
  });

export const clustersQuery = queryOptions({
  queryKey: ['clusters'],
  queryFn: ({ signal }) => answer(api.GET('/api/v1/clusters', { params: { query: { limit: 500 } }, signal })),
  refetchInterval: LIST,
});

export const claimsQuery = queryOptions({
  queryKey: ['claims'],
  queryFn: ({ signal }) => answer(api.GET('/api/v1/claims', { params: { query: { limit: 500 } }, signal })),
  refetchInterval: LIST,
});

export const templatesQuery = queryOptions({
  queryKey: ['templates'],
  queryFn: ({ signal }) => answer(api.GET('/api/v1/templates', { params: { query: { limit: 500 } }, signal })),
  refetchInterval: SELDOM,
});

export const auditQuery = (team: string, object: string) =>
  infiniteQueryOptions({
    queryKey: ['audit', team, object],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: 50, ...(team && { team }), ...(object && { object }), ...(pageParam && { after: Number(pageParam) }) };
      return answer(api.GET('/api/v1/audit', { params: { query }, signal }));
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: LIST,
  });
