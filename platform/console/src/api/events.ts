// Server-sent events over fetch: an EventSource cannot send an Authorization header.

/** An event as it was sent (WHATWG HTML §9.2.6). */
export type Event = { name: string; id: string; data: string };

/** Puts events together from text that comes in pieces. */
export class EventParser {
  #rest = '';
  #name = '';
  #data: string[] = [];
  #id = '';

  /** The ID of the last event that had one: where to resume. */
  get lastId(): string {
    return this.#id;
  }

  push(text: string): Event[] {
    this.#rest += text;
    const events: Event[] = [];
    for (;;) {
      const found = /\r\n|\n|\r/.exec(this.#rest);
      // A carriage return at the very end may have its line feed in the next piece.
      if (!found || (found[0] === '\r' && found.index === this.#rest.length - 1)) return events;
      const line = this.#rest.slice(0, found.index);
      this.#rest = this.#rest.slice(found.index + found[0].length);
      const event = this.#line(line);
      if (event) events.push(event);
    }
  }

  #line(line: string): Event | null {
    if (line === '') {
      const event = { name: this.#name || 'message', id: this.#id, data: this.#data.join('\n') };
      const complete = this.#data.length > 0;
      this.#name = '';
      this.#data = [];
      return complete ? event : null;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#name = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }
}
