// Which page an address shows. Pages are loaded when they are looked at first.

import { Navigate, createBrowserRouter } from 'react-router';

import { pages } from './pages';
import { Crashed, Lost } from './pages/lost';
import { Shell } from './parts/shell';
import { paths } from './paths';

export const router = createBrowserRouter([
  {
    errorElement: <Crashed />,
    HydrateFallback: () => null,
    children: [
      { path: '/login', lazy: pages.login },
      {
        element: <Shell />,
        children: [
          {
            errorElement: <Crashed />,
            children: [
              { index: true, element: <Navigate to={paths.apps()} replace /> },
              { path: '/apps', lazy: pages.apps },
              { path: '/apps/:team/:app', lazy: pages.app },
              { path: '/apps/:team/:app/releases/:release', lazy: pages.release },
              { path: '/clusters', lazy: pages.clusters },
              { path: '/claims', lazy: pages.claims },
              { path: '/templates', lazy: pages.templates },
              { path: '/templates/:name/:version', lazy: pages.template },
              { path: '/audit', lazy: pages.audit },
              { path: '*', element: <Lost /> },
            ],
          },
        ],
      },
    ],
  },
]);
