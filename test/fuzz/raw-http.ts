import { connect, type Socket } from 'node:net';

/** Bytes to send, or a pause in ms. */
export type WirePart = Buffer | number;

export interface RawRequest {
  parts: readonly WirePart[];
  /** Address to come from. */
  from?: string;
  /** Longest until the answer is whole, in ms. */
  limitMs: number;
  /** Comes back after this silence, when there need not be an answer, in ms. */
  silenceMs?: number;
  /** Answers to HEAD have no body. */
  head?: boolean;
}

export interface RawAnswer {
  /** Null: there was none. */
  status: number | null;
  /** All that came, up to 256 kB, as latin1. */
  text: string;
  /** `late`: the limit was over before the answer was whole. */
  end: 'answer' | 'closed' | 'silent' | 'late';
  tookMs: number;
}

const MAX_KEPT_BYTES = 256 * 1024;
/** Streams of events have no end: so much of one is enough, in ms. */
const STREAM_MS = 200;

/** Sends bytes over a connection of its own and takes what comes back, whatever either of them is. */
export function sendRaw(host: string, port: number, request: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const begin = performance.now();
    const socket = connect({ host, port, ...(request.from === undefined ? {} : { localAddress: request.from }) });
    let text = '';
    let bytes = 0;
    const timers: NodeJS.Timeout[] = [];
    let silence: NodeJS.Timeout | undefined;
    const finish = (end: RawAnswer['end']): void => {
      for (const timer of timers) clearTimeout(timer);
      clearTimeout(silence);
      socket.destroy();
      resolve({ status: statusOf(text), text, end, tookMs: performance.now() - begin });
    };
    const quiet = (): void => {
      clearTimeout(silence);
      if (request.silenceMs !== undefined) silence = setTimeout(() => finish('silent'), request.silenceMs);
    };
    timers.push(setTimeout(() => finish('late'), request.limitMs));
    socket.on('data', (data) => {
      bytes += data.length;
      if (text.length < MAX_KEPT_BYTES) text += data.toString('latin1');
      quiet();
      // Of broken requests there may be more answers than one: silence or the server ends those.
      if (request.silenceMs === undefined && isWhole(text, bytes, request.head === true)) finish('answer');
      else if (/^content-type: text\/event-stream/im.test(text))
        timers.push(setTimeout(() => finish('answer'), STREAM_MS));
    });
    socket.on('error', () => finish('closed'));
    socket.on('close', () => finish('closed'));
    socket.on('connect', () => {
      quiet();
      void sendParts(socket, request.parts);
    });
  });
}

/** Writes the parts one after another, as far as the socket lives. */
export async function sendParts(socket: Socket, parts: readonly WirePart[]): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return;
    if (typeof part === 'number') await new Promise((resolve) => setTimeout(resolve, part));
    else await new Promise((resolve) => socket.write(part, resolve));
  }
}

function statusOf(text: string): number | null {
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  return statuses.find((status) => status >= 200 || status === 101) ?? null;
}

/** Whether the answer, of which `bytes` came, is there to its end (RFC 9112, section 6.3). */
function isWhole(text: string, bytes: number, head: boolean): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const header = text.slice(0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(header)?.[1]);
  if (status === 101) return true;
  if (status < 200) return isWhole(text.slice(end + 4), bytes - end - 4, head);
  if (head || status === 204 || status === 304) return true;
  const length = /^content-length: (\d+)/im.exec(header)?.[1];
  if (length !== undefined) return bytes >= end + 4 + Number(length);
  // A chunked answer that is longer than what is kept ends with the connection.
  return /^transfer-encoding: chunked/im.test(header) && text.endsWith('0\r\n\r\n');
}
