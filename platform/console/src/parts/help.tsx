import { Button } from '@mantine/core';

import { useText } from '../text';
import { Dialog } from './dialog';

export function Help({ close }: { close: () => void }) {
  const { t } = useText();
  const h = t.help;
  const keys: [string, string][] = [['/', h.search], ['?', h.help], ['g a', h.goApps], ['g c', h.goClusters], ['Esc', h.escape]];
  const words: [string, string][] = [[h.inService, h.inServiceMeans], [h.parked, h.parkedMeans], [h.gate, h.gateMeans], [h.bake, h.bakeMeans]];
  return (
    <Dialog title={h.title} close={close}>
      <h3>{h.keys}</h3>
      <dl className="facts">
        {keys.map(([key, does]) => (
          <div key={key} style={{ display: 'contents' }}><dt><kbd className="key">{key}</kbd></dt><dd>{does}</dd></div>
        ))}
      </dl>
      <h3>{h.words}</h3>
      <dl className="facts">
        {words.map(([word, means]) => (
          <div key={word} style={{ display: 'contents' }}><dt>{word}</dt><dd>{means}</dd></div>
        ))}
      </dl>
      <p className="dimmed small">{h.more}</p>
      <div className="row ends"><Button variant="default" onClick={close}>{t.common.close}</Button></div>
    </Dialog>
  );
}
