import { faultOf, rememberId, shown, type Trial, type World } from './attack.js';
import { bodyFor } from './http-bodies.js';
import type { FuzzRandom } from './fuzz-random.js';
import { sendRaw, type WirePart } from './raw-http.js';

const METHODS = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'get', 'PROPFIND', 'CONNECT'];
/** Calls that end what others need: only without the token, which must refuse them. */
const DESTRUCTIVE = /shutdown|^DELETE/;
/** So long a client waits that has not sent all, or sent what is no HTTP, in ms. */
const SILENCE_MS = 400;

/** One call of one of the server's routes: nearly right, or broken in its path, its header, its body or its frames. */
export async function httpAttack(random: FuzzRandom, world: World): Promise<Trial> {
  const route = random.pick(world.routes);
  let [method = '', path = ''] = route.split(' ');
  if (random.chance(0.04)) method = random.pick(METHODS);
  path = fillIn(path, method, random, world);
  const mayHaveToken = !DESTRUCTIVE.test(`${method} ${path}`) || /^\/api\/v1\/sessions\/fuzz-/.test(path);
  const token = mayHaveToken && random.chance(0.85) ? world.token : null;
  if (random.chance(0.25)) path = respell(path, random);
  path += random.pick([
    '',
    '',
    '',
    '',
    '?',
    '?token=wrong',
    '?interrupt=true',
    '?persist=x',
    '?resolution=1m',
    '?a[b]=1&__proto__=2',
  ]);

  const body = bodyFor(route, random, world);
  const header = headerLines(random, world, token);
  if (body?.type) header.push(`Content-Type: ${body.type}`);
  const bytes = body?.bytes ?? Buffer.alloc(0);
  const framed = random.chance(0.85);
  const content = framed ? plainBody(bytes, body !== null, random) : brokenBody(bytes, random);
  const head = [`${method} ${path} HTTP/1.1`, ...header, ...content.header].join('\r\n');
  const parts: WirePart[] = [Buffer.from(`${head}\r\n\r\n`, 'latin1'), ...content.parts];
  if (!framed && random.chance(0.2)) parts.splice(1); // the body never comes

  const answer = await sendRaw(world.host, world.port, {
    parts,
    from: random.loopback(),
    limitMs: world.limitMs,
    head: method === 'HEAD',
    ...(framed ? {} : { silenceMs: SILENCE_MS }),
  });
  remember(answer.text, route, world);
  let fault = faultOf(answer.text);
  if (answer.end === 'late' && framed) fault = `no answer in ${world.limitMs} ms`;
  if (token === null && world.token !== null && isLetIn(method, path, answer.status))
    fault = 'answered without the token';
  const sent = parts.map((part) => (typeof part === 'number' ? `(${part} ms)` : shown(part))).join(' ');
  return { sent, outcome: answer.status === null ? `no answer: ${answer.end}` : String(answer.status), fault };
}

/** Whether a call of the API without a token was done all the same. */
function isLetIn(method: string, path: string, status: number | null): boolean {
  if (status === null || status < 200 || status >= 300 || method === 'OPTIONS') return false;
  let plain = path.replace(/^https?:\/\/[^/]*/i, '').split(/[?#]/)[0] ?? '';
  for (let times = 0; times < 2; times++) {
    plain = plain.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  return /^[/\\]+api[/\\]/i.test(plain);
}

function fillIn(path: string, method: string, random: FuzzRandom, world: World): string {
  const session = method === 'DELETE' ? `fuzz-${random.between(1, 3)}` : random.pick(world.sessions);
  const name = random.chance(0.9)
    ? session
    : random.pick(['nobody', '__proto__', '%00', 'x'.repeat(127), 'x'.repeat(5000), '..', '%2e%2e%2f']);
  return path
    .replace(/(sessions|whep)\/:id/, `$1/${name}`)
    .replace(':viewer', random.word())
    .replace(':id', random.pick([...world.ids, 'none', '..', '%2e%2e']))
    .replace(':name', random.pick(['fuzz', '1.mp4', '..%2f..%2fstate.json', '.lock', '%00', 'x'.repeat(300)]))
    .replace(
      '*',
      random.pick(['index.html', 'whep.js', '..%2f..%2fpackage.json', '....//', '%2e%2e/%2e%2e/etc/passwd']),
    );
}

/** The same path spelled as a proxy, a browser or nobody would spell it. */
function respell(path: string, random: FuzzRandom): string {
  const at = random.between(1, Math.max(1, path.length - 1));
  const encode = (char: string): string => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  switch (random.between(0, 13)) {
    case 0:
      return path.slice(0, at) + encode(path[at] ?? 'a') + path.slice(at + 1);
    case 1:
      return path.slice(0, at) + encode(path[at] ?? 'a').replace('%', '%25') + path.slice(at + 1);
    case 2:
      return path.toUpperCase();
    case 3:
      return path.replace('/', '//');
    case 4:
      return `${path}/`;
    case 5:
      return `http://127.0.0.1${path}`;
    case 6:
      return `http://evil.example:1${path}`;
    case 7:
      return `/web/..${path}`;
    case 8:
      return `${path.slice(0, at)}%zz${path.slice(at)}`;
    case 9:
      return `${path};a=b`;
    case 10:
      return path.replaceAll('/', '%2f');
    case 11:
      return path.replaceAll('/', '\\');
    case 12:
      return `/.${path}`;
    default:
      return `${path.slice(0, at)}${random.pick(['%00', '%0d%0aX:1', '%c0%ae', '\x80', '*', ':', '//[', '?', '#'])}${path.slice(at)}`;
  }
}

function headerLines(random: FuzzRandom, world: World, token: string | null): string[] {
  const host = `${world.host}:${world.port}`;
  const lines = [`Host: ${host}`, 'Connection: close'];
  if (token !== null) lines.push(`Authorization: Bearer ${token}`);
  else if (random.chance(0.3)) {
    lines.push(
      `Authorization: ${random.pick(['Bearer ', 'Bearer wrong', 'Basic YTpi', `Bearer ${'x'.repeat(4000)}`, 'bearer \xff'])}`,
    );
  }
  if (!random.chance(0.25)) return lines;
  const odd = [
    'Origin: http://evil.example',
    'Origin: null',
    `Origin: http://${host}`,
    'Expect: 100-continue',
    'Expect: nonsense',
    'Accept-Encoding: gzip, br;q=9',
    'Content-Encoding: gzip',
    'X-Forwarded-For: 8.8.8.8',
    'X-HTTP-Method-Override: DELETE',
    'Upgrade: h2c',
    'Range: bytes=0-0,5-1,-99999999999999999999',
    'Range: bytes=-0',
    'If-Match: "x"',
    'If-None-Match: *',
    'Cookie: __proto__=1',
    `X-Long: ${'y'.repeat(random.pick([100, 8000, 20_000]))}`,
    'Access-Control-Request-Method: DELETE',
    'Host: other',
    'Keep-Alive: timeout=99999',
    ': nothing',
    'No colon',
    'X-Zero: \0',
  ];
  for (let times = random.between(1, 3); times > 0; times--) lines.push(random.pick(odd));
  if (random.chance(0.05)) for (let i = 0; i < 3000; i++) lines.push(`X-${i}: 1`);
  if (random.chance(0.1))
    lines[0] = `Host: ${random.pick(['evil.example', '', `${host}@evil`, '[::1', 'localhost:99999'])}`;
  return lines;
}

interface Content {
  header: string[];
  parts: WirePart[];
}

/** A body that ends where it says, in pieces now and then. */
function plainBody(bytes: Buffer, present: boolean, random: FuzzRandom): Content {
  if (!present) return { header: [], parts: [] };
  if (random.chance(0.2)) {
    const size = random.between(1, 200);
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, i * size + size),
    );
    const framed = chunks.map((chunk) =>
      Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
    );
    return { header: ['Transfer-Encoding: chunked'], parts: [Buffer.concat([...framed, Buffer.from('0\r\n\r\n')])] };
  }
  const half = Math.floor(bytes.length / 2);
  const parts = random.chance(0.1) ? [bytes.subarray(0, half), random.between(1, 50), bytes.subarray(half)] : [bytes];
  return { header: [`Content-Length: ${bytes.length}`], parts };
}

/** A body whose frame lies: the client goes away after a while. */
function brokenBody(bytes: Buffer, random: FuzzRandom): Content {
  switch (random.between(0, 7)) {
    case 0:
      return { header: [`Content-Length: ${bytes.length + random.between(1, 1000)}`], parts: [bytes] };
    case 1:
      return {
        header: [`Content-Length: ${random.pick(['-1', '1e3', '0x10', '999999999999999999999', '1, 2', ''])}`],
        parts: [bytes],
      };
    case 2:
      return { header: ['Transfer-Encoding: chunked', `Content-Length: ${bytes.length}`], parts: [bytes] };
    case 3:
      return {
        header: ['Transfer-Encoding: chunked'],
        parts: [Buffer.from(`${random.pick(['ffffffffffffffff', '-1', 'zz', '5;x=y', ''])}\r\n`), bytes],
      };
    case 4:
      return {
        header: [`Transfer-Encoding: ${random.pick(['gzip', 'chunked, chunked', 'identity', 'xchunked', ' chunked'])}`],
        parts: [bytes],
      };
    case 5:
      return {
        header: [`Content-Length: ${Math.max(0, bytes.length - 5)}`],
        parts: [bytes, Buffer.from('GET /healthz HTTP/1.1\r\n\r\n')],
      };
    case 6:
      return { header: ['Content-Length: 2000000000'], parts: [bytes, 20, bytes] };
    default:
      return { header: ['Content-Length: 4', 'Content-Length: 5'], parts: [bytes] };
  }
}

function remember(text: string, route: string, world: World): void {
  if (!route.startsWith('POST /api/v1/renders') || !text.startsWith('HTTP/1.1 20')) return;
  rememberId(world, /"id":"([^"]+)"/.exec(text)?.[1]);
}
