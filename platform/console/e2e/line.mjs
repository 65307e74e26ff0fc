// A line between browser and server that can be cut, as a proxy's restart does it.

import { connect, createServer } from 'node:net';

export async function line(to) {
  const { hostname, port } = new URL(to);
  const ends = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      ends.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        ends.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => {
      for (const end of ends) end.destroy();
    },
    close: () => {
      server.close();
      for (const end of ends) end.destroy();
    },
  };
}
