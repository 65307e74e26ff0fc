// What is shown is old: the API or the hub does not answer.

import { useReach } from '../api/reach';
import { useText } from '../text';
import { Note } from './note';
import { useAgo } from './time';

export function Banner() {
  const { t } = useText();
  const { away, hubSeen } = useReach();
  const apiAgo = useAgo(away);
  const hubAgo = useAgo(hubSeen);
  // There from the beginning and filled later: that is how a screen reader hears of it.
  return (
    <div role="status">
      {away !== null && <Note banner tone="warn"><p>{t.away.api(apiAgo)}</p></Note>}
      {away === null && hubSeen !== null && <Note banner tone="warn"><p>{t.away.hub(hubAgo)}</p></Note>}
    </div>
  );
}
