// The language: kept for this browser, English or Chinese; the browser's own where nothing was chosen.

import { type ReactNode, createContext, useContext, useEffect, useMemo, useState } from 'react';

import { type Messages, en } from './en';
import { zh } from './zh';

export type Lang = 'en' | 'zh';

const KEY = 'flatnet.lang';
const TABLES: Record<Lang, Messages> = { en, zh };

function chosen(): Lang {
  const wanted = localStorage.getItem(KEY) ?? navigator.language;
  return wanted.startsWith('zh') ? 'zh' : 'en';
}

const Context = createContext<{ lang: Lang; t: Messages; setLang: (lang: Lang) => void }>({
  lang: 'en',
  t: en,
  setLang: () => undefined,
});

export function TextProvider({ children }: { children: ReactNode }) {
  const [lang, setLang] = useState(chosen);
  useEffect(() => {
    document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  }, [lang]);
  useEffect(() => {
    // Another tab of this browser chose it.
    const followed = (event: StorageEvent) => event.key === KEY && setLang(chosen());
    window.addEventListener('storage', followed);
    return () => window.removeEventListener('storage', followed);
  }, []);
  const value = useMemo(
    () => ({
      lang,
      t: TABLES[lang],
      setLang: (next: Lang) => {
        localStorage.setItem(KEY, next);
        setLang(next);
      },
    }),
    [lang],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export const useText = () => useContext(Context);

/** What the API says for people is English, whatever the console's language: a screen reader reads it so. */
export function Said({ children }: { children: ReactNode }) {
  return <span lang="en">{children}</span>;
}
