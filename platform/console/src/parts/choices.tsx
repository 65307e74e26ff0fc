// Language and theme.

import { Button, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';

import { useText } from '../text';

export function Choices() {
  const { t, lang, setLang } = useText();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  return (
    <>
      <Button size="compact-sm" variant="default" lang={t.menu.otherLang} onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')}>
        {t.menu.other}
      </Button>
      <Button size="compact-sm" variant="default" onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}>
        {scheme === 'dark' ? t.menu.light : t.menu.dark}
      </Button>
    </>
  );
}
