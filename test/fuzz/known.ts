import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { tone, until, wav, type Json } from '../support/server.js';
import type { World } from './attack.js';
import { FuzzRandom } from './fuzz-random.js';
import { sendRaw } from './raw-http.js';
import { browserOffer } from './sdp-attack.js';
import { startTarget, type Target } from './target.js';
import type { Verdict } from './verdict.js';
import { postOffer } from './whep.js';

const MAIN = '/api/v1/sessions/main';
/** Names the clients that the server is to tell apart. */
const PROXY = '127.0.0.1';
const LIMIT_MS = 20_000;
/** What a small call may take while others do their worst, in ms; a busy machine takes long for everything. */
const PROMPT_MS = 10_000;

/** Attacks that once worked, each in a few calls. One gives back what went wrong, or null. */
const KNOWN: Readonly<Record<string, (target: Target, world: World) => Promise<string | null>>> = {
  'a page of another site whose name leads here': async (_target, world) => {
    const evil = `evil.example:${world.port}`;
    const status = await statusOf(world, `GET /api/v1/sessions HTTP/1.1\r\nHost: ${evil}\r\nOrigin: http://${evil}`);
    return status === 403 ? null : `Host and Origin of another site got ${status}`;
  },

  'forms without a boundary': async (_target, world) => {
    const statuses = [];
    for (const end of ['', '; boundary=', '; boundary="', `; boundary=${'x'.repeat(300)}`]) {
      const head = `POST ${MAIN}/audio HTTP/1.1\r\nContent-Type: multipart/form-data${end}\r\nContent-Length: 1`;
      statuses.push(await statusOf(world, head, 'x'));
    }
    return statuses.every((status) => status === 400)
      ? null
      : `forms without a boundary got ${statuses.join(', ')}, not 400`;
  },

  'upgrades of paths that are none': async (_target, world) => {
    const statuses = [];
    for (const path of ['/%zz', '//[', '/api/v1/sessions/%zz/audio']) {
      statuses.push(
        await statusOf(
          world,
          `GET ${path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==`,
        ),
      );
    }
    return statuses.every((status) => status !== null && status < 500) ? null : `upgrades got ${statuses.join(', ')}`;
  },

  'viewer places held without ICE': async (_target, world) => {
    const random = FuzzRandom.ofStep(1, 'known', 0);
    const offer = (from: string): Promise<number | null> =>
      postOffer(world, 'main', Buffer.from(browserOffer(random)), PROXY, from).then(({ status }) => status);
    const held = await Promise.all(Array.from({ length: 100 }, () => offer('203.0.113.1')));
    const other = await offer('203.0.113.2');
    await pause(5500);
    const later = await offer('203.0.113.3');
    if (later !== 201)
      return `a viewer got ${later} 5.5 s after ${held.filter((status) => status === 201).length} offers came to nothing`;
    return other === 201 ? null : `100 offers of one address kept another one out: ${other}`;
  },

  'sixteen uploads that wait their turn': async (target) => {
    const long = wav(tone(30));
    for (let i = 0; i < 17; i++) await within(target.call('POST', `${MAIN}/audio`, long));
    await target.call('POST', '/api/v1/sessions', { id: 'other', preset: 'low' });
    const status = await within(target.call('POST', '/api/v1/sessions/other/audio', wav(tone(0.2))));
    await target.call('POST', `${MAIN}/interrupt`);
    return status === 202 ? null : `an upload to another session got ${status ?? `nothing in ${PROMPT_MS} ms`}`;
  },

  'renders that are cancelled while they wait': async (target) => {
    const body = {
      items: Array.from({ length: 40 }, () => ({ text: 'A long sentence that takes its time.' })),
      size: '160x90',
    };
    const ids: string[] = [];
    let full = false;
    while (!full && ids.length < 10) {
      const answer = await target.call('POST', '/api/v1/renders', body);
      if (answer.status === 202) ids.push(((await answer.json()) as Json).id);
      else full = answer.status === 429;
    }
    for (const id of ids.slice(1)) await target.call('DELETE', `/api/v1/renders/${id}`);
    const answer = await target.call('POST', '/api/v1/renders', body);
    for (const { id } of (await (await target.call('GET', '/api/v1/renders')).json()) as Json)
      await target.call('DELETE', `/api/v1/renders/${id}`);
    return answer.status === 202 ? null : `a render got ${answer.status} after all that waited were cancelled`;
  },

  'sound that waits for a place among the utterances': async (target, world) => {
    const texts = Array.from({ length: 40 }, () =>
      target.call('POST', `${MAIN}/say`, { text: 'One of many that wait in the line.' }),
    );
    await Promise.all(texts);
    const answers = await pushSound(world, 100);
    await target.call('POST', `${MAIN}/interrupt`);
    const errors = answers.split('"type":"error"').length - 1;
    return errors <= 1 ? null : `100 messages into a full queue got ${errors} errors`;
  },
};

/** Plays the attacks that once worked, one after another, against a server of its own. */
export async function known({ say }: { say: (line: string) => void }): Promise<Verdict> {
  // Programs of this machine are trusted; those who come through a proxy are not.
  const target = await startTarget({ env: { DH_LIVE_SERVER_TRUST_PROXY: PROXY } });
  const { hostname, port } = new URL(target.server.url);
  const world: World = {
    host: hostname,
    port: Number(port),
    token: null,
    sessions: ['main'],
    mediaPort: 0,
    ids: [],
    routes: [],
    limitMs: LIMIT_MS,
  };
  const faults: string[] = [];
  let ended = false;
  void target.server.exited.then(() => (ended = true));
  try {
    for (const [name, attack] of Object.entries(KNOWN)) {
      const fault = await attack(target, world).catch((error: unknown) => String(error));
      say(`${name}: ${fault ?? 'withstood'}`);
      if (fault !== null) faults.push(`${name}: ${fault}`);
      if (ended) faults.push(`${name} ended the server`);
      if (ended) break;
      await until(async () => (await fetch(`${target.server.url}/readyz`)).ok, 30_000);
    }
    return { figures: [`${Object.keys(KNOWN).length} attacks that once worked`], faults };
  } finally {
    await target.server.stop(ended ? 'SIGKILL' : 'SIGTERM');
    target.remove();
  }
}

async function statusOf(world: World, head: string, body = ''): Promise<number | null> {
  const host = /\r\nhost:/i.test(head) ? '' : `\r\nHost: ${world.host}:${world.port}`;
  const connection = /\r\nconnection:/i.test(head) ? '' : '\r\nConnection: close';
  const parts = [Buffer.from(`${head}${host}${connection}\r\n\r\n${body}`)];
  return (await sendRaw(world.host, world.port, { parts, limitMs: LIMIT_MS, silenceMs: 2000 })).status;
}

/** The status, or null when it takes too long. */
async function within(answer: Promise<Response>): Promise<number | null> {
  answer.catch(() => undefined);
  return Promise.race([answer.then(({ status }) => status), pause(PROMPT_MS, null)]);
}

/** Sends so many messages of 20 ms with `overflow=wait`; gives back what was answered in a second. */
function pushSound(world: World, messages: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: world.host, port: world.port });
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.write(
      `GET ${MAIN}/audio?rate=16000&overflow=wait HTTP/1.1\r\nHost: ${world.host}:${world.port}\r\nConnection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const frame = Buffer.concat([Buffer.from([0x82, 0xfe, 640 >> 8, 640 & 0xff, 0, 0, 0, 0]), Buffer.alloc(640, 1)]);
    for (let i = 0; i < messages; i++) socket.write(frame);
    setTimeout(() => {
      socket.destroy();
      resolve(text);
    }, 1500);
  });
}
