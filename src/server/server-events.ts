import { EventEmitter } from 'node:events';

/** What the whole server tells, by the names and bodies of the server-sent events of `GET /events`. */
export class ServerEvents extends EventEmitter<{ event: [name: string, data: object] }> {
  constructor() {
    super();
    this.setMaxListeners(0); // one for each client that follows
  }

  /** Tells everyone who listens now; nothing is kept for later. */
  tell(name: string, data: object): void {
    this.emit('event', name, data);
  }
}
