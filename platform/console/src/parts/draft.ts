// What was typed and not sent yet: it survives a closed dialog, another page and an ended session, in this tab.

import { useState } from 'react';

export function useDraft(key: string, initial: string): [string, (text: string) => void, () => void] {
  const place = `flatnet.draft.${key}`;
  const [text, setText] = useState(() => sessionStorage.getItem(place) ?? initial);
  const set = (next: string) => {
    setText(next);
    if (next === initial) sessionStorage.removeItem(place);
    else sessionStorage.setItem(place, next);
  };
  return [text, set, () => sessionStorage.removeItem(place)];
}
