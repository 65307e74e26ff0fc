import '@mantine/core/styles/default-css-variables.css';
import '@mantine/core/styles/baseline.css';
import '@mantine/core/styles/global.css';
import '@mantine/core/styles/UnstyledButton.css';
import '@mantine/core/styles/Button.css';
import '@mantine/core/styles/ActionIcon.css';
import '@mantine/core/styles/Input.css';
import '@mantine/core/styles/PasswordInput.css';
import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Checkbox.css';
import './styles/tones.css';
import './styles/layout.css';
import './styles/table.css';

import { MantineProvider, createTheme } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router/dom';

import { newQueryClient } from './api/queries';
import { router } from './routes';
import { TextProvider } from './text';

const theme = createTheme({ primaryColor: 'blue', respectReducedMotion: true });
const client = newQueryClient();
const root = document.getElementById('root');

// The server's policy allows no inline style: variables and classes come from files.
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false} deduplicateInlineStyles={false}>
        <TextProvider>
          <QueryClientProvider client={client}>
            <RouterProvider router={router} />
          </QueryClientProvider>
        </TextProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
