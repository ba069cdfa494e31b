import { expect, it } from 'vitest';
import { ConfigSchema } from '../../src/config/schema.js';
import { checkExposure, isExposed } from '../../src/server/exposure.js';

it.each([
  ['127.0.0.1', false],
  ['127.8.9.10', false],
  ['::1', false],
  ['::ffff:127.0.0.1', false],
  ['localhost', false],
  ['0.0.0.0', true],
  ['::', true],
  ['192.0.2.1', true],
  ['::ffff:192.0.2.1', true],
  ['no-such-host.invalid', false],
])('%s is reached by other machines: %s', async (host, exposed) => {
  expect(await isExposed(host)).toBe(exposed);
});

it('is refused without a token, unless one insists', () => {
  const server = (values: object) => ConfigSchema.parse({ server: { host: '0.0.0.0', ...values } }).server;
  expect(() => checkExposure(server({}), true)).toThrow(/token/);
  expect(() => checkExposure(server({}), false)).not.toThrow();
  expect(() => checkExposure(server({ token: 'correct horse' }), true)).not.toThrow();
  expect(() => checkExposure(server({ insecure: true }), true)).not.toThrow();
});
