import { EventParser } from './events';

function same(found: unknown, wanted: unknown) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
}

const STREAM = 'event: release\nid: 41\ndata: {"a":\ndata: 1}\n\n: alive\n\nevent: end\r\ndata: Done\r\n\r\n';
const EVENTS = [
  { name: 'release', id: '41', data: '{"a":\n1}' },
  { name: 'end', id: '41', data: 'Done' },
];

export const tests = {
  'a stream is read wherever it is cut into pieces'() {
    for (let at = 0; at <= STREAM.length; at += 1) {
      const parser = new EventParser();
      same([...parser.push(STREAM.slice(0, at)), ...parser.push(STREAM.slice(at))], EVENTS);
      same(parser.lastId, '41');
    }
  },
  'an event that broke off is none'() {
    const parser = new EventParser();
    same(parser.push('event: release\nid: 7\ndata: {}\n'), []);
  },
};
