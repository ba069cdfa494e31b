import { z } from 'zod';

/** When a change takes effect, unless it is at once; and what is not shown. Read by `configFields`. */
const RESTART = { applies: 'restart' } as const;
const NEW_SESSIONS = { applies: 'new sessions' } as const;
const SECRET = { secret: true } as const;

const evenPixels = (least: number, most: number) =>
  z
    .number()
    .int()
    .min(least)
    .max(most)
    .refine((value) => value % 2 === 0, 'must be even');

/** A day. Timers take 24 days at most; one that is asked for more fires each millisecond. */
const MAX_TIME_S = 86_400;

/** How much an idle session may cost, best first. The guard lowers it before it refuses work. */
export const IDLE_QUALITIES = ['full', 'half', 'low'] as const;
export type IdleQuality = (typeof IDLE_QUALITIES)[number];

/** What a preset says about a session: picture, sound and queue. */
export const ProfileSchema = z.strictObject({
  width: evenPixels(64, 3840).default(1280).describe('Width of the output picture in pixels, even.'),
  height: evenPixels(64, 3840).default(720).describe('Height of the output picture in pixels, even.'),
  bitrateKbps: z.number().int().min(100).max(50_000).default(2500).describe('Video bit rate in kilobits per second.'),
  x264Preset: z
    .enum(['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium'])
    .default('ultrafast')
    .describe('Speed preset of libx264: slower looks better at the same bit rate and costs more CPU.'),
  opusBitrateKbps: z.number().int().min(16).max(128).default(40).describe('Sound bit rate in kilobits per second.'),
  maxQueueSize: z
    .number()
    .int()
    .min(1)
    .max(50)
    .default(3)
    .describe('Most chunks of 40 ms that wait in the audio queue. A live source that is faster drops the oldest.'),
  jitterBufferMs: z
    .number()
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe('Sound of a live source that is held back to even out uneven delivery, in ms; in front of the queue.'),
  transitionFrames: z
    .number()
    .int()
    .min(0)
    .max(8)
    .default(6)
    .describe('Frames over which another avatar or size is cross-faded into a running session; 0: a cut.'),
  framePoolSize: z.number().int().min(2).max(32).default(5).describe('Preallocated picture buffers of a session.'),
  idleQuality: z
    .enum(IDLE_QUALITIES)
    .default('full')
    .describe(
      'Pictures while nobody speaks: `full`; `half`, 12.5 a second at half the bit rate; `low`, 5 a second at a quarter.',
    ),
});
export type SessionProfile = z.infer<typeof ProfileSchema>;

const share = (value: number) => z.number().min(0.1).max(1).default(value);

export const MemorySchema = z
  .strictObject({
    maxMemoryMb: z
      .number()
      .int()
      .min(1)
      .default(3000)
      .describe(
        'Memory limit of the whole server, all processes, in MB; a smaller one of the container counts instead.',
      ),
    gcIntervalS: z
      .number()
      .min(1)
      .default(30)
      .describe('Least seconds between two forced garbage collections of a process, from its soft level on.'),
    checkIntervalMs: z.number().int().min(50).max(60_000).default(250).describe('How often memory is measured, in ms.'),
    softShare: share(0.8).describe('Share of the limit from which caches are trimmed and garbage is collected.'),
    softRelease: share(0.7).describe('Share of the limit below which that ends.'),
    hardShare: share(0.95).describe('Share of the limit from which work is refused, then ended.'),
    hardRelease: share(0.85).describe('Share of the limit below which work is accepted again.'),
    cooldownMs: z
      .number()
      .int()
      .min(0)
      .default(1000)
      .describe('Least time between two steps of the ladder, so that one can take effect before the next, in ms.'),
    imageCacheMb: z.number().min(0).default(200).describe('Most memory of decoded pictures that are kept, in MB.'),
  })
  .refine(
    ({ softRelease, softShare, hardRelease, hardShare }) =>
      softRelease < softShare && softShare < hardShare && hardRelease < hardShare,
    {
      message: 'softRelease < softShare < hardShare and hardRelease < hardShare must hold',
    },
  );
export type MemoryConfig = z.infer<typeof MemorySchema>;

export const ServerSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address to listen on. `0.0.0.0` opens the server to the network.')
    .meta(RESTART),
  port: z.number().int().min(0).max(65_535).default(8010).describe('HTTP port; 0 takes a free one.').meta(RESTART),
  token: z
    .string()
    .min(8)
    .optional()
    .describe('When set, the API and `/metrics` (not watching) demand `Authorization: Bearer <token>` or `?token=`.')
    .meta(SECRET),
  publicIp: z
    .union([z.ipv4(), z.ipv6()])
    .optional()
    .describe('Address that viewers reach when the server stands behind a one-to-one NAT.')
    .meta(RESTART),
  mediaAddress: z
    .union([z.ipv4(), z.ipv6()])
    .optional()
    .describe('Address of the media ports; otherwise that of `host`, or all addresses when `host` is loopback.')
    .meta(RESTART),
  corsOrigins: z
    .array(z.string())
    .default([])
    .describe(
      "Origins, besides the server's own, whose pages may use the API; `*` means any. Watching is open to every page.",
    ),
  allowedHosts: z
    .array(z.string())
    .default([])
    .describe(
      'Names by which the server may be called, besides addresses, `localhost` and the host name; `*` means any.',
    ),
  trustProxy: z
    .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
    .default([])
    .describe('Addresses and networks of reverse proxies whose `X-Forwarded-For` says from where a call comes.')
    .meta(RESTART),
  insecure: z
    .boolean()
    .default(false)
    .describe('Lets the server listen on more than loopback without a token. `--insecure` on the command line.')
    .meta(RESTART),
});

export const StagesSchema = z.strictObject({
  count: z
    .number()
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe('Stage processes; 0 means cores − 1, at least 1, and no more than the memory limit bears.')
    .meta(RESTART),
  firstPort: z
    .number()
    .int()
    .min(0)
    .max(65_000)
    .default(8189)
    .describe(
      'UDP port of the first stage, the next takes the next one; 0: free ones. In use: refused if set, else the next.',
    )
    .meta(RESTART),
  heartbeatTimeoutMs: z
    .number()
    .int()
    .min(200)
    .default(1500)
    .describe('A stage that is silent for this long is replaced, in ms.'),
});

const count = (value: number) => z.number().int().min(1).default(value);

export const LimitsSchema = z.strictObject({
  maxSessions: z.number().int().min(1).default(16).describe('Most sessions of the server.'),
  maxViewersPerSession: z.number().int().min(1).default(50).describe('Most viewers of one session.'),
  maxTextChars: z.number().int().min(1).default(5000).describe('Longest text of one `say`, in characters.'),
  maxPendingUtterances: z.number().int().min(1).default(32).describe('Most utterances that wait in one session.'),
  maxUploadMb: z.number().min(0.1).default(200).describe('Largest uploaded file in MB.'),
  maxUploadDurationS: z
    .number()
    .min(1)
    .max(MAX_TIME_S)
    .default(3600)
    .describe('Longest sound of an uploaded file, in seconds.'),
  maxConnections: count(1000).describe('Most HTTP and WebSocket connections; fewer when `ulimit -n` is low.'),
  maxConnectionsPerAddress: count(200).describe('Most connections from one address, but for this machine and proxies.'),
  maxEventStreams: count(200).describe('Most event streams; from one address at most a quarter of them.'),
  maxConnectingPerAddress: count(8).describe('Most viewers from one address that wait for their connection.'),
  callsPerMinute: count(6000).describe('Most calls from one address in a minute, of any kind.'),
  offersPerMinute: count(600).describe('Most WHEP offers from one address in a minute.'),
  wrongTokensPerMinute: count(20).describe('Most wrong tokens from one address in a minute; then it is refused.'),
});

export const RendersSchema = z.strictObject({
  folder: z
    .string()
    .optional()
    .describe('Folder whose files renders over HTTP may use. Without it they use uploads and text only.'),
  dataDir: z
    .string()
    .optional()
    .describe('Folder for the uploads and videos of renders over HTTP; otherwise `renders` in `cacheDir`.')
    .meta(RESTART),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(16)
    .default(1)
    .describe('Renders over HTTP that run at a time; others wait.')
    .meta(RESTART),
  maxWaiting: z.number().int().min(0).max(1000).default(20).describe('Most renders that wait; more are refused.'),
  maxItems: z.number().int().min(1).max(100_000).default(10_000).describe('Most items of one render over HTTP.'),
  maxBodyMb: z
    .number()
    .min(0.1)
    .max(64)
    .default(8)
    .describe('Largest JSON body of `POST /renders`, in MB: all its items with their texts.'),
  keepHours: z
    .number()
    .min(0.1)
    .default(24)
    .describe(
      'How long renders that ended, projects that none works on, and uploads that none uses are kept, in hours.',
    ),
  maxUploadsMb: z.number().min(1).default(4000).describe('Most space that uploads for renders take together, in MB.'),
});
export type RendersConfig = z.infer<typeof RendersSchema>;

export const MonitorSchema = z.strictObject({
  cpuPercent: z
    .number()
    .min(1)
    .default(90)
    .describe('CPU of the machine, in percent of all cores, that raises an alert.'),
  eventLoopDelayMs: z
    .number()
    .min(1)
    .default(100)
    .describe('Delay of an event loop (p99) that raises an alert, in ms.'),
  fps: z
    .number()
    .min(0)
    .max(25)
    .default(24)
    .describe('Pictures a second of a watched session below which an alert is raised.'),
  diskFreeMb: z.number().min(0).default(500).describe('Free disk space under which an alert is raised, in MB.'),
  unaccountedMbPerHour: z
    .number()
    .min(1)
    .default(60)
    .describe('Growth of the memory that is in no register that raises an alert, in MB per hour.'),
  webhooks: z
    .array(z.url({ protocol: /^https?$/, error: 'must be an http or https address' }))
    .default([])
    .describe('Addresses that get a POST for each alert that is raised or cleared.')
    .meta(SECRET),
  webhookTimeoutMs: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe('Time that a webhook may take, in ms.'),
});
export type MonitorConfig = z.infer<typeof MonitorSchema>;

export const ConfigSchema = z.strictObject({
  preset: z
    .string()
    .default('default')
    .describe('What `session` and `memory` build on: `low`, `default` or `high`. `--preset` on the command line.'),
  server: ServerSchema.prefault({}),
  stages: StagesSchema.prefault({}),
  limits: LimitsSchema.prefault({}),
  renders: RendersSchema.prefault({}),
  session: ProfileSchema.prefault({}).describe('What a session is like unless it asks for another preset.'),
  memory: MemorySchema.prefault({}),
  monitor: MonitorSchema.prefault({}),
  avatar: z
    .string()
    .default('presenter')
    .describe('Avatar of the session `main`, and of others that ask for none.')
    .meta(NEW_SESSIONS),
  voice: z
    .string()
    .optional()
    .describe('Voice of the session `main`, and of others that ask for none; otherwise by language.')
    .meta(NEW_SESSIONS),
  avatarsDir: z
    .string()
    .default('avatars')
    .describe('Folder with avatar packages, from the working directory.')
    .meta(RESTART),
  cacheDir: z
    .string()
    .optional()
    .describe("Folder for drawn avatars; otherwise the user's cache folder.")
    .meta(RESTART),
  statsIntervalS: z
    .number()
    .min(0)
    .max(MAX_TIME_S)
    .refine((value) => value === 0 || value >= 1, 'must be 0 or at least 1')
    .default(10)
    .describe('Seconds between two lines of statistics in the log; 0: none. A session at rest is written once.'),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Log level.'),
  debugTimecode: z
    .boolean()
    .default(false)
    .describe('Draws the frame number into the picture as black and white blocks, for measurements.')
    .meta(RESTART),
});
/** The whole configuration, with every default filled in. */
export type Config = z.infer<typeof ConfigSchema>;

/** A shipped preset: a part of the configuration with a sentence about it. */
export const PresetSchema = z.strictObject({
  description: z.string().min(1),
  session: ProfileSchema,
  memory: MemorySchema,
});
export type Preset = z.infer<typeof PresetSchema>;
