// Which page an address shows. Pages are loaded when they are looked at first.

import { Navigate, createBrowserRouter } from 'react-router';

import { Crashed, Lost } from './pages/lost';
import { Shell } from './parts/shell';
import { paths } from './paths';

export const router = createBrowserRouter([
  {
    errorElement: <Crashed />,
    HydrateFallback: () => null,
    children: [
      { path: '/login', lazy: () => import('./pages/login') },
      {
        element: <Shell />,
        children: [
          {
            errorElement: <Crashed />,
            children: [
              { index: true, element: <Navigate to={paths.apps()} replace /> },
              { path: '/apps', lazy: () => import('./pages/apps') },
              { path: '/apps/:team/:app', lazy: () => import('./pages/app') },
              { path: '/apps/:team/:app/releases/:release', lazy: () => import('./pages/release') },
              { path: '/clusters', lazy: () => import('./pages/clusters') },
              { path: '/claims', lazy: () => import('./pages/claims') },
              { path: '/templates', lazy: () => import('./pages/templates') },
              { path: '/templates/:name/:version', lazy: () => import('./pages/template') },
              { path: '/audit', lazy: () => import('./pages/audit') },
              { path: '*', element: <Lost /> },
            ],
          },
        ],
      },
    ],
  },
]);
