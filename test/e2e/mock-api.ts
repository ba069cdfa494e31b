import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import fastifyStatic from '@fastify/static';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { WebSocketServer } from 'ws';

/**
 * The server as the pages see it, with the answers of `docs/api` and switches for what is hard to provoke in the
 * real one (full, missing, refusing). Its pictures come from a second tab of the same browser over real WebRTC.
 */
export interface MockApi {
  readonly url: string;
  /** Status and error that the next WHEP offers get instead of an answer; null: they are answered. */
  refuse: { status: number; code: string; message?: string; hint?: string; retryAfterS?: number } | null;
  /** Everything that was asked of it, in order: `POST /whep/main`… */
  readonly calls: string[];
  readonly said: Record<string, unknown>[];
  readonly uploads: { type: string; body: Buffer }[];
  readonly socket: { rate: number; bytes: number; texts: string[] };
  /** Answer of the next `say`; null: 202. */
  sayError: { status: number; code: string; message: string; hint?: string } | null;
  /** The next upload is refused with 415. */
  refuseOnce: boolean;
  emit(name: string, data: object): void;
  /** An event of the whole server. */
  emitServer(name: string, data: object): void;
  /** What is active; `GET /alerts` answers it. */
  alerts: object[];
  /** Bodies of `PATCH`, with their path. */
  readonly patches: { path: string; body: Record<string, unknown> }[];
  /** Answer of the next `PATCH`; null: it is applied. */
  patchError: { status: number; code: string; message: string; hint?: string } | null;
  /** As a server that has neither registry nor history nor live settings. */
  older: boolean;
  /** Offers without H.264 get no picture, as from the real server: by an answer with sound only, or by a 422. */
  h264Only: 'answer' | 'refuse' | null;
  /** Further headers of the answers to offers. */
  answerHeaders: Record<string, string>;
  /** What the API asks for; null: nothing. */
  token: string | null;
  /** Texts that wait to be said; an interrupt drops them. */
  pending: string[];
  /** The sessions that there are. */
  readonly sessions: Set<string>;
  /** What the next WebSocket for sound is told before it is closed; null: it is served. */
  socketError: { code: string; message: string; hint: string } | null;
  /** Forgets all viewers, as a server whose media process was replaced: nothing arrives any more. */
  forgetViewers(): Promise<void>;
  /** Forgets calls and switches; sessions are the first two again. */
  reset(): void;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The policy under which the pages must work. */
export const CSP =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self' ws: wss:; " +
  "media-src 'self' blob: mediastream:; img-src 'self' data: blob:; style-src 'self'";

const VOICES = [
  { id: 'flite:slt', name: 'SLT', engine: 'flite', languages: ['en-US'], gender: 'female' },
  { id: 'flite:rms', name: 'RMS', engine: 'flite', languages: ['en-US'], gender: 'male' },
  { id: 'espeak:en-gb', name: 'British', engine: 'espeak', languages: ['en-GB', 'en'], gender: 'male' },
  { id: 'espeak:de', name: 'German', engine: 'espeak', languages: ['de'], gender: 'male' },
  { id: 'espeak:cmn', name: 'Mandarin', engine: 'espeak', languages: ['cmn', 'zh'], gender: 'male' },
];

const PROFILE = {
  width: 1280,
  height: 720,
  bitrateKbps: 2500,
  maxQueueSize: 3,
  jitterBufferMs: 0,
  idleQuality: 'full',
};

function session(id: string, state: string) {
  return {
    id,
    avatar: 'presenter',
    preset: 'default',
    voice: null,
    state,
    utterance:
      state === 'speaking' ? { id: 'u1', playedMs: 2400, text: 'Good morning, and welcome to the show.' } : null,
    queue: { length: 1, capacity: 3, drops: 0 },
    fps: 25,
    processingMs: { mean: 4.6 + Math.random(), p50: 4.4, p99: 9 + 2 * Math.random(), max: 12.9 },
    memory: { rssBytes: 187e6 },
    viewers: 1,
    width: 1280,
    height: 720,
    whepUrl: `/whep/${id}`,
  };
}

/** Where the memory is: as two processes tell it. */
function memory(limitMb: number) {
  const entry = (owner: string, name: string, bytes: number, limitBytes: number | null, hits = 0) => {
    return {
      owner,
      name,
      kind: hits ? 'cache' : 'pool',
      bytes,
      limitBytes,
      items: 5,
      hits,
      misses: hits / 9,
      evictions: 0,
    };
  };
  const control = [entry('pictures', 'image cache', 12e6, 200e6, 90)];
  const stage = [entry('session main', 'frame pool', 6.9e6, 6.9e6), entry('avatar presenter', 'patches', 41e6, null)];
  return {
    atMs: Date.now(),
    rssBytes: 283e6,
    limitBytes: limitMb * 1e6,
    level: 'normal',
    step: null,
    baseBytes: 150e6,
    accountedBytes: 59.9e6,
    unaccountedBytes: 73.1e6,
    loans: [{ process: 'bake', what: 'Drawing an avatar', bytes: 146e6, from: { spare: 146e6 }, recalled: false }],
    processes: [
      { name: 'control', pid: 4100, rssBytes: 96e6, entries: control },
      { name: 'stage-0', pid: 4107, rssBytes: 187e6, entries: stage },
    ],
  };
}

/** Two minutes of history, a row a second. */
function historyOf() {
  const columns =
    'atMs rssBytes limitBytes cpuPercent fpsLowest processingMsP99 queueChunks viewers accountedBytes unaccountedBytes';
  const rows = Array.from({ length: 120 }, (_, i) => [
    ...[Date.now() - (120 - i) * 1000, 270e6 + 1e5 * i, 4000e6, 26 + Math.sin(i / 9), i < 60 ? null : 25],
    ...[i < 60 ? null : 9, i % 3, i < 60 ? 0 : 1, 60e6, 70e6],
  ]);
  return { resolution: '1s', columns: columns.split(' '), rows };
}

function fail(reply: FastifyReply, status: number, code: string, message = code, hint?: string) {
  return reply.code(status).send({ error: { code, message, hint } });
}

/** Starts it on a free port. `publisher` is a tab that has nothing else to do. */
export async function startMockApi(publisher: () => Promise<Page>): Promise<MockApi> {
  const app = Fastify({ bodyLimit: 64 << 20, forceCloseConnections: true });
  const sessions = new Set<string>();
  const listeners = new Set<(text: string) => void>();
  const serverListeners = new Set<(text: string) => void>();
  const profiles = new Map<string, Record<string, unknown>>();
  const presets = new Map<string, string>();
  let limitMb = 4000;
  const state = { name: 'idle', viewers: 0 };
  const api = {
    refuse: null as MockApi['refuse'],
    sayError: null as MockApi['sayError'],
    calls: [] as string[],
    said: [] as Record<string, unknown>[],
    uploads: [] as { type: string; body: Buffer }[],
    socket: { rate: 0, bytes: 0, texts: [] as string[] },
    refuseOnce: false,
    alerts: [] as object[],
    patches: [] as MockApi['patches'],
    patchError: null as MockApi['patchError'],
    older: false,
    h264Only: null as MockApi['h264Only'],
    answerHeaders: {} as Record<string, string>,
    token: null as string | null,
    pending: [] as string[],
    sessions,
    socketError: null as MockApi['socketError'],
    forgetViewers: async () => (await publisher()).evaluate<void>('forgetAll()'),
    reset() {
      Object.assign(api, {
        refuse: null,
        sayError: null,
        refuseOnce: false,
        patchError: null,
        older: false,
        h264Only: null,
        answerHeaders: {},
        token: null,
        pending: [],
        socketError: null,
        alerts: [],
      });
      limitMb = 4000;
      profiles.clear();
      presets.clear();
      api.patches.length = api.calls.length = api.said.length = api.uploads.length = api.socket.texts.length = 0;
      Object.assign(api.socket, { rate: 0, bytes: 0 });
      sessions.clear();
      sessions.add('main').add('guide');
      state.name = 'idle';
    },
    emitServer(name: string, data: object) {
      for (const send of serverListeners) send(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    emit(name: string, data: object) {
      if (name === 'state') state.name = (data as { state: string }).state;
      for (const send of listeners) send(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    },
  };
  api.reset();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (request, reply) => {
    api.calls.push(`${request.method} ${request.url}`);
    reply.header('Content-Security-Policy', CSP);
    const { authorization = '' } = request.headers;
    const given = authorization.replace('Bearer ', '') || new URL(request.url, 'http://x').searchParams.get('token');
    if (api.token !== null && request.url.startsWith('/api') && given !== api.token) {
      return fail(
        reply,
        401,
        'unauthorized',
        'A valid access token is needed.',
        'Send "Authorization: Bearer <token>".',
      );
    }
    if (request.url.startsWith('/whep') && authorization) api.calls.push('a token for watching');
  });
  serveFiles(app);
  serveWhep(app, api, sessions, publisher, state);
  app.get('/api/v1/sessions', () => [...sessions].map((id) => session(id, state.name)));
  app.post('/api/v1/sessions', (request, reply) => {
    const { id = 'made-up' } = (request.body ?? {}) as { id?: string };
    if (sessions.has(id))
      return fail(reply, 409, 'session_exists', `There is a session "${id}" already.`, 'Take another name.');
    sessions.add(id);
    return reply.code(201).send(session(id, 'starting'));
  });
  app.get('/api/v1/voices', () => VOICES);
  app.get('/api/v1/avatars', () => [{ name: 'presenter', title: 'Presenter' }]);
  app.get('/api/v1/presets', () =>
    [640, 1280, 1920].map((width, i) => ({ name: ['low', 'default', 'high'][i], width, height: (width * 9) / 16 })),
  );
  const missing = (reply: FastifyReply) => fail(reply, 404, 'not_found', 'There is no such call.');
  const withProfile = (id: string) => {
    const pending = api.pending.map((text, i) => ({ id: `p${i}`, text }));
    const base = { ...session(id, state.name), waiting: pending.length, pending };
    return api.older
      ? base
      : { ...base, preset: presets.get(id) ?? 'default', profile: { ...PROFILE, ...profiles.get(id) } };
  };
  app.get('/api/v1/memory', (_request, reply) => (api.older ? missing(reply) : memory(limitMb)));
  app.get('/api/v1/alerts', (_request, reply) => (api.older ? missing(reply) : { active: api.alerts, recent: [] }));
  app.get('/api/v1/history', (_request, reply) => (api.older ? missing(reply) : historyOf()));
  app.get('/api/v1/config', (_request, reply) =>
    api.older
      ? missing(reply)
      : {
          config: { memory: { maxMemoryMb: limitMb }, limits: { maxTextChars: 5000 } },
          live: ['memory.maxMemoryMb'],
          source: {},
        },
  );
  app.get('/api/v1/report', (_request, reply) => (api.older ? missing(reply) : { contract: { needMb: 409.8 } }));
  app.get('/api/v1/events', (_request, reply) => {
    if (api.older) return missing(reply);
    reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const send = (text: string) => void reply.raw.write(text);
    send(': hello\n\n');
    serverListeners.add(send);
    reply.raw.on('close', () => serverListeners.delete(send));
    return reply.hijack();
  });
  const patch = (path: string, body: unknown, reply: FastifyReply): boolean => {
    api.patches.push({ path, body: body as Record<string, unknown> });
    if (!api.patchError) return true;
    const { status, code, message, hint } = api.patchError;
    void fail(reply, status, code, message, hint);
    return false;
  };
  app.patch('/api/v1/config', (request, reply) => {
    if (!patch('config', request.body, reply)) return reply;
    limitMb = (request.body as { memory: { maxMemoryMb: number } }).memory.maxMemoryMb;
    return reply.send({ changed: ['memory.maxMemoryMb'], needsRestart: [] });
  });
  app.patch<{ Params: { id: string } }>('/api/v1/sessions/:id', ({ params: { id }, body }, reply) => {
    if (!patch(`sessions/${id}`, body, reply)) return reply;
    const { preset, session: change } = body as { preset?: string; session?: object };
    profiles.set(id, { ...profiles.get(id), ...change });
    if (preset !== undefined) presets.set(id, preset);
    return reply.send({ ...withProfile(id), idr: preset !== undefined });
  });
  app.get('/api/v1/stats', () => ({
    uptimeS: 100,
    processes: [
      { name: 'control', pid: 4100, rssBytes: 96e6, cpuPercent: 2 },
      { name: 'stage 1', pid: 4107, rssBytes: 187e6, cpuPercent: 24 },
    ],
    memory: { rssBytes: 283e6, limitBytes: limitMb * 1e6 },
    sessions: [...sessions].map((id) => withProfile(id)),
  }));
  app.get<{ Params: { id: string } }>('/api/v1/sessions/:id', ({ params: { id } }, reply) =>
    sessions.has(id) ? withProfile(id) : fail(reply, 404, 'session_not_found', `There is no session "${id}".`),
  );
  app.delete<{ Params: { id: string } }>('/api/v1/sessions/:id', ({ params: { id } }, reply) => {
    sessions.delete(id);
    return reply.code(204).send();
  });
  app.post('/api/v1/sessions/:id/say', (request, reply) => {
    if (api.sayError)
      return fail(reply, api.sayError.status, api.sayError.code, api.sayError.message, api.sayError.hint);
    const said = request.body as Record<string, unknown>;
    api.said.push(said);
    api.emit('state', { state: 'speaking' });
    api.emit('utterance.started', { utteranceId: 'u1', text: said['text'] });
    return reply.code(202).send({ utteranceId: 'u1' });
  });
  app.post('/api/v1/sessions/:id/interrupt', () => {
    api.emit('state', { state: 'idle' });
    api.emit('utterance.interrupted', { utteranceId: 'u1', playedMs: 1234 });
    const dropped = api.pending.splice(0).map((_text, i) => `p${i}`);
    for (const utteranceId of dropped) api.emit('utterance.interrupted', { utteranceId, playedMs: 0 });
    return { utteranceId: 'u1', playedMs: 1234, dropped };
  });
  app.post('/api/v1/sessions/:id/audio', (request, reply) => {
    const type = request.headers['content-type'] ?? '';
    if (api.refuseOnce) {
      api.refuseOnce = false;
      return fail(reply, 415, 'audio_unsupported', 'This sound cannot be read.');
    }
    if (!Buffer.isBuffer(request.body)) return fail(reply, 422, 'audio_invalid', 'There is no sound.');
    api.uploads.push({ type, body: request.body });
    return reply.code(202).send({ utteranceId: 'u2' });
  });
  app.get('/api/v1/sessions/:id/events', (_request, reply) => {
    reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const send = (text: string) => void reply.raw.write(text);
    send(': hello\n\n');
    listeners.add(send);
    reply.raw.on('close', () => listeners.delete(send));
    reply.hijack();
  });
  const sockets = new WebSocketServer({ noServer: true });
  app.server.on('upgrade', (request, socket, head) => {
    api.calls.push(`WS ${request.url}`);
    api.socket.rate = Number(new URL(request.url ?? '', 'http://x').searchParams.get('rate'));
    sockets.handleUpgrade(request, socket, head, (ws) => {
      if (api.socketError) {
        ws.send(JSON.stringify({ type: 'error', error: api.socketError }));
        return ws.close(4409, api.socketError.code);
      }
      ws.send(JSON.stringify({ type: 'state', state: state.name }));
      ws.on('message', (data: Buffer, binary: boolean) => {
        if (binary) api.socket.bytes += data.length;
        else api.socket.texts.push(data.toString());
      });
    });
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return Object.assign(api, { url, close: () => app.close() });
}

function serveFiles(app: FastifyInstance) {
  const folders = {
    '/web/': 'web',
    '/vendor/ffmpeg/': 'node_modules/@ffmpeg/ffmpeg/dist/esm',
    '/vendor/ffmpeg-core/': 'node_modules/@ffmpeg/core/dist/esm',
    '/vendor/uplot/': 'node_modules/uplot/dist',
  };
  Object.entries(folders).forEach(([prefix, folder], i) => {
    void app.register(fastifyStatic, { root: root + folder, prefix, decorateReply: i === 0 });
  });
  app.get('/', (_request, reply) => reply.sendFile('index.html'));
  app.get('/studio', (_request, reply) => reply.sendFile('studio.html'));
  app.get('/blank', (_request, reply) => reply.type('text/html').send('<!doctype html><title>blank</title>'));
}

function serveWhep(
  app: FastifyInstance,
  api: Pick<MockApi, 'refuse' | 'h264Only' | 'answerHeaders'>,
  sessions: Set<string>,
  publisher: () => Promise<Page>,
  state: { viewers: number },
) {
  app.post<{ Params: { id: string } }>('/whep/:id', async ({ params: { id }, body }, reply) => {
    if (api.refuse) {
      const { status, code, message, hint, retryAfterS } = api.refuse;
      if (retryAfterS !== undefined) reply.header('Retry-After', String(retryAfterS));
      return fail(reply, status, code, message, hint);
    }
    if (!sessions.has(id)) return fail(reply, 404, 'session_not_found');
    const viewer = `v${(state.viewers += 1)}`;
    const offer = (body as Buffer).toString();
    const hidden = api.h264Only !== null && !/ H264\//.test(offer);
    if (hidden && api.h264Only === 'refuse' && offer.includes('m=video')) {
      return fail(reply, 422, 'codec_unsupported', 'The offer has no H.264.');
    }
    const page = await publisher();
    const call = `publish(${JSON.stringify(viewer)}, ${JSON.stringify(offer)}, ${hidden})`;
    const answer = await page.evaluate<string>(call);
    reply.headers({ Location: `/whep/${id}/${viewer}`, ETag: `"${viewer}"`, ...api.answerHeaders });
    return reply.code(201).type('application/sdp').send(answer);
  });
  app.patch<{ Params: { viewer: string } }>('/whep/:id/:viewer', async ({ params: { viewer }, headers }, reply) => {
    const page = await publisher();
    if (!(await page.evaluate(`${JSON.stringify(viewer)} in peers`))) return fail(reply, 404, 'viewer_not_found');
    return reply.code(headers['if-match'] === `"${viewer}"` ? 204 : 412).send();
  });
  app.delete<{ Params: { viewer: string } }>('/whep/:id/:viewer', async ({ params: { viewer } }, reply) => {
    const page = await publisher();
    await page.evaluate(`peers[${JSON.stringify(viewer)}]?.close()`);
    return reply.code(200).send();
  });
}

/** Runs in the publishing tab: a moving picture and a tone. As text, because a compiler may add helpers to functions. */
const PUBLISHER = `
const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
const draw = canvas.getContext('2d');
const oval = (fill, x, y, w, h) => {
  draw.fillStyle = fill;
  draw.beginPath();
  draw.ellipse(x, y, w, h, 0, 0, 7);
  draw.fill();
};
let n = 0;
setInterval(() => {
  n += 1;
  const wall = draw.createLinearGradient(0, 0, 0, 720);
  wall.addColorStop(0, '#b9cbd6');
  wall.addColorStop(1, '#e9e4da');
  draw.fillStyle = wall;
  draw.fillRect(0, 0, 1280, 720);
  oval('#2f4858', 640, 760, 330, 260);
  oval('#e3b899', 640, 320, 150, 190);
  oval('#3a2c26', 590, 290, 14, 9);
  oval('#3a2c26', 690, 290, 14, 9);
  oval('#9c3f43', 640, 410, 52, 8 + 22 * Math.abs(Math.sin(n / 3)));
}, 40);
const stream = canvas.captureStream(25);
const context = new AudioContext();
const tone = context.createOscillator();
const out = context.createMediaStreamDestination();
tone.connect(out);
tone.start();
stream.addTrack(out.stream.getAudioTracks()[0]);
window.peers = {};
window.forgetAll = () => {
  for (const pc of Object.values(peers)) for (const sender of pc.getSenders()) void sender.replaceTrack(null);
  window.peers = {};
};
window.publish = async (viewer, offer, noPicture) => {
  const pc = new RTCPeerConnection();
  peers[viewer] = pc;
  await pc.setRemoteDescription({ type: 'offer', sdp: offer });
  if (noPicture) pc.getTransceivers().find((t) => t.receiver.track.kind === 'video')?.stop();
  for (const track of stream.getTracks()) if (!noPicture || track.kind === 'audio') pc.addTrack(track, stream);
  await pc.setLocalDescription();
  await new Promise((resolve) => {
    if (pc.iceGatheringState === 'complete') resolve();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
  });
  return pc.localDescription.sdp;
};`;

/** Turns a tab of the mock's address into the source of its pictures. */
export async function preparePublisher(page: Page, api: MockApi): Promise<void> {
  await page.goto(`${api.url}/blank`);
  await page.evaluate(PUBLISHER);
}
