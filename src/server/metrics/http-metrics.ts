import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';

/** Streams last as long as their reader likes: their duration says nothing. */
const STREAM = /\/events$/;

/** How long answers take, by route. Routes are those of the server, so strangers cannot add series. */
export class HttpMetrics {
  readonly #durations: Histogram;

  constructor(register: Registry) {
    this.#durations = new Histogram({
      name: 'dh_live_http_request_duration_seconds',
      help: 'Time from a request to the end of its answer.',
      labelNames: ['method', 'route', 'status_code'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [register],
    });
  }

  /** Measures all routes of an app that are added after this. */
  watch(app: FastifyInstance): void {
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'none';
      if (STREAM.test(route)) return;
      const labels = { method: request.method, route, status_code: String(reply.statusCode) };
      this.#durations.observe(labels, reply.elapsedTime / 1000);
    });
  }
}
