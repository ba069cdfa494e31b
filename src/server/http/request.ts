import { IncomingMessage } from 'node:http';

/**
 * A request that asks for an upgrade only to a WebSocket. Node takes every request with an `Upgrade` header out of the
 * usual way as soon as anybody listens to upgrades; but a server may ignore what it does not speak (RFC 9110, 7.8), and
 * Java's HTTP client and `curl --http2` ask for `h2c` with every call.
 */
export class Request extends IncomingMessage {
  declare private wantsUpgrade: boolean | null;

  /** Set by Node's parser after the headers were read, and asked for before anybody else sees the request. */
  get upgrade(): boolean {
    return this.wantsUpgrade === true && (this.method === 'CONNECT' || isWebSocket(this.headers.upgrade));
  }

  set upgrade(wants: boolean | null) {
    this.wantsUpgrade = wants;
  }
}

function isWebSocket(upgrade = ''): boolean {
  return upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');
}
