import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { MOST_WAITING, Webhooks } from '../../src/guard/webhooks.js';
import { until } from '../support/server.js';

const servers: Server[] = [];
const hooks: Webhooks[] = [];
afterEach(async () => {
  await Promise.all(hooks.splice(0).map((hook) => hook.close(0)));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Answers with the codes in turn, the last one again and again; 0 never answers. */
async function receiver(...codes: number[]): Promise<{ url: string; bodies: unknown[]; credentials: unknown[] }> {
  const bodies: unknown[] = [];
  const credentials: unknown[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      bodies.push(JSON.parse(text));
      credentials.push(request.headers.authorization);
      const code = codes.length > 1 ? codes.shift()! : codes[0]!;
      if (code !== 0) response.writeHead(code, { Location: '/elsewhere' }).end('thanks');
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=secret`, bodies, credentials };
}

function open(webhooks: string[], webhookTimeoutMs = 5000): { hook: Webhooks; failed: string[]; pauses: number[] } {
  const failed: string[] = [];
  const pauses: number[] = [];
  const hook = new Webhooks({
    settings: () => ({ webhooks, webhookTimeoutMs }),
    failed: (to, reason) => failed.push(`${to} ${reason}`),
    wait: async (ms) => void pauses.push(ms),
  });
  hooks.push(hook);
  return { hook, failed, pauses };
}

it('posts every message as JSON, in order', async () => {
  const { url, bodies } = await receiver(204);
  const { hook } = open([url]);
  for (let n = 0; n < 20; n++) hook.send({ n });
  await until(() => bodies.length === 20);
  expect(bodies).toEqual(Array.from({ length: 20 }, (_, n) => ({ n })));
  await until(() => hook.stats()[0]!.waiting === 0);
  expect(hook.stats()).toEqual([{ to: expect.any(String) as string, waiting: 0, sent: 20, failed: 0, dropped: 0 }]);
});

it('tries again twice with growing pauses what failed in the receiver, and says the address without its secret', async () => {
  const { url, bodies } = await receiver(500, 503, 200, 500);
  const { hook, failed, pauses } = open([url]);
  hook.send({ n: 1 });
  await until(() => hook.stats()[0]!.sent === 1);
  expect(pauses).toEqual([1000, 5000]);
  hook.send({ n: 2 });
  await until(() => hook.stats()[0]!.failed === 1);
  expect(bodies).toHaveLength(6);
  expect(failed).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/… answered 500$/)]);
  expect(failed.join()).not.toContain('secret');
});

it.each([404, 302])('does not try again when the receiver answers %s, nor elsewhere', async (code) => {
  const { url, bodies } = await receiver(code);
  const { hook, failed } = open([url]);
  hook.send({});
  await until(() => failed.length === 1);
  expect(bodies).toHaveLength(1);
  expect(failed[0]).toContain(`answered ${code}`);
});

it('gives the name and the password that stand in an address', async () => {
  const { url, bodies, credentials } = await receiver(204);
  const { hook } = open([url.replace('//', '//ops:p%40ss@')]);
  hook.send({});
  await until(() => bodies.length === 1);
  expect(credentials).toEqual([`Basic ${Buffer.from('ops:p@ss').toString('base64')}`]);
  await until(() => hook.stats()[0]!.sent === 1);
  expect(hook.stats()[0]!.to).not.toContain('ops');
});

it('gives up on an address where nobody is, and on one that hangs; others get theirs meanwhile', async () => {
  const hanging = await receiver(0);
  const good = await receiver(200);
  const { hook, failed } = open([hanging.url, 'http://127.0.0.1:9/nobody', good.url], 200);
  hook.send({ n: 1 });
  hook.send({ n: 2 });
  await until(() => good.bodies.length === 2);
  await until(() => failed.length === 4);
  expect(failed.filter((line) => line.includes('no answer within 200 ms'))).toHaveLength(2);
  expect(hanging.bodies).toHaveLength(6); // each message three times
});

it('keeps a hundred messages for an address that hangs, drops and counts the oldest', async () => {
  const { url, bodies } = await receiver(0);
  const { hook, failed } = open([url], 60_000);
  for (let n = 0; n < MOST_WAITING + 50; n++) hook.send({ n });
  expect(hook.stats()[0]).toMatchObject({ waiting: MOST_WAITING, dropped: 50 });
  expect(failed).toHaveLength(1);
  await until(() => bodies.length === 1);
  const begin = performance.now();
  await hook.close(50);
  expect(performance.now() - begin).toBeLessThan(2000);
  hook.send({ late: true });
  expect(hook.stats()).toEqual([]);
});

it('forgets an address that was taken out of the settings', async () => {
  const [a, b] = [await receiver(0), await receiver(200)];
  const webhooks = [a.url];
  const { hook } = open(webhooks, 60_000);
  hook.send({ n: 1 });
  webhooks.splice(0, 1, b.url);
  hook.send({ n: 2 });
  await until(() => b.bodies.length === 1);
  expect(hook.stats()).toHaveLength(1);
});
