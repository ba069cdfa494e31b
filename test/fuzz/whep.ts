import type { World } from './attack.js';
import { sendRaw, type RawAnswer } from './raw-http.js';

/** Sends an offer, as bytes since it may be none. */
export function postOffer(
  world: World,
  session: string,
  offer: Buffer,
  from: string,
  forwardedFor?: string,
): Promise<RawAnswer> {
  const head = [
    `POST /whep/${session} HTTP/1.1`,
    `Host: ${world.host}:${world.port}`,
    'Connection: close',
    'Content-Type: application/sdp',
    `Content-Length: ${offer.length}`,
    ...(forwardedFor === undefined ? [] : [`X-Forwarded-For: ${forwardedFor}`]),
  ];
  const parts = [Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), offer])];
  return sendRaw(world.host, world.port, { parts, from, limitMs: world.limitMs });
}

/** Gives the place back that a 201 took. */
export async function deleteViewer(world: World, answer: RawAnswer, from: string): Promise<void> {
  const resource = /^location: (\S+)/im.exec(answer.text)?.[1];
  if (resource === undefined) return;
  const head = `DELETE ${resource} HTTP/1.1\r\nHost: ${world.host}:${world.port}\r\nConnection: close\r\n\r\n`;
  await sendRaw(world.host, world.port, { parts: [Buffer.from(head)], from, limitMs: world.limitMs });
}

/** The SDP in an answer. */
export function sdpOf(answer: RawAnswer): string {
  return answer.text.slice(answer.text.indexOf('\r\n\r\n') + 4);
}
