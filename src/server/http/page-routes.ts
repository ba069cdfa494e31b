import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packagePath } from '../../entry.js';

const require = createRequire(import.meta.url);

/** Libraries that pages load from this server, from node_modules: URL prefix, package, folder in it. */
const VENDOR = [
  ['ffmpeg', '@ffmpeg/ffmpeg', 'dist/esm'],
  ['ffmpeg-core', '@ffmpeg/core', 'dist/esm'],
  ['ffmpeg-util', '@ffmpeg/util', 'dist/esm'],
  ['uplot', 'uplot', 'dist'],
] as const;

const POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self' ws: wss:; " +
  "media-src 'self' blob: mediastream:; img-src 'self' data: blob:; style-src 'self'";

/** The viewer, the studio, and what they load. */
export async function pageRoutes(app: FastifyInstance): Promise<void> {
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('Content-Security-Policy')) void reply.header('Content-Security-Policy', POLICY);
  });
  await app.register(fastifyStatic, { root: packagePath('web'), prefix: '/web/', cacheControl: false });
  for (const [name, packageName, folder] of VENDOR) {
    const root = join(packageRoot(packageName), folder);
    await app.register(fastifyStatic, { root, prefix: `/vendor/${name}/`, decorateReply: false, maxAge: '1d' });
  }
  app.get('/', (_request, reply) => reply.sendFile('index.html'));
  app.get('/studio', (request, reply) => {
    // The page names its files relative to the server's root.
    const [path = '', query] = request.url.split('?');
    if (path.endsWith('/')) return reply.redirect(`../studio${query === undefined ? '' : `?${query}`}`);
    // Whoever could lay it under a page of theirs could have its buttons pressed. The viewer may be framed by any page.
    void reply.header('Content-Security-Policy', `${POLICY}; frame-ancestors 'none'`);
    return reply.sendFile('studio.html');
  });
  app.get('/favicon.ico', (_request, reply) => reply.code(204).send());
}

/** Where npm put a package: wherever its resolution leads, up to the folder with its name. */
function packageRoot(name: string): string {
  let folder = dirname(require.resolve(name));
  while (!folder.replaceAll('\\', '/').endsWith(`node_modules/${name}`)) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`cannot find the folder of ${name}`);
    folder = parent;
  }
  return folder;
}
