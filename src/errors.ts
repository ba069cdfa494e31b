/**
 * The table of all errors that leave the program: code, HTTP status, whether the same call may succeed later.
 * A caller's programming mistake is a TypeError or RangeError instead.
 */
const TABLE = {
  bad_request: { status: 400, retryable: false },
  content_type_unsupported: { status: 415, retryable: false },
  text_empty: { status: 400, retryable: false },
  text_too_long: { status: 413, retryable: false },
  items_too_many: { status: 413, retryable: false },
  body_too_large: { status: 413, retryable: false },
  audio_invalid: { status: 422, retryable: false },
  audio_too_long: { status: 413, retryable: false },
  audio_unsupported: { status: 415, retryable: false },
  rate_invalid: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  origin_forbidden: { status: 403, retryable: false },
  host_forbidden: { status: 403, retryable: false },
  rate_limited: { status: 429, retryable: true },
  connection_limit: { status: 503, retryable: true },
  not_found: { status: 404, retryable: false },
  session_not_found: { status: 404, retryable: false },
  session_exists: { status: 409, retryable: false },
  session_not_live: { status: 409, retryable: true },
  session_limit: { status: 503, retryable: true },
  viewer_not_found: { status: 404, retryable: false },
  viewer_limit: { status: 503, retryable: true },
  source_busy: { status: 409, retryable: true },
  queue_full: { status: 429, retryable: true },
  sdp_invalid: { status: 422, retryable: false },
  codec_unsupported: { status: 422, retryable: false },
  sdp_type: { status: 415, retryable: false },
  etag_mismatch: { status: 412, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  voice_not_found: { status: 422, retryable: false },
  language_unsupported: { status: 422, retryable: false },
  speech_failed: { status: 500, retryable: true },
  avatar_not_found: { status: 404, retryable: false },
  avatar_invalid: { status: 422, retryable: false },
  preset_not_found: { status: 422, retryable: false },
  config_invalid: { status: 400, retryable: false },
  config_fixed: { status: 409, retryable: false },
  memory_pressure: { status: 503, retryable: true },
  server_unreachable: { status: 503, retryable: true },
  task_crashed: { status: 500, retryable: true },
  task_limit: { status: 503, retryable: true },
  clips_invalid: { status: 422, retryable: false },
  folder_forbidden: { status: 403, retryable: false },
  render_not_found: { status: 404, retryable: false },
  render_busy: { status: 409, retryable: true },
  stage_unavailable: { status: 503, retryable: true },
  media_unavailable: { status: 503, retryable: true },
  disk_full: { status: 507, retryable: true },
  write_failed: { status: 500, retryable: false },
  shutting_down: { status: 503, retryable: true },
  internal: { status: 500, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof TABLE;

export const ERROR_CODES = Object.keys(TABLE) as readonly ErrorCode[];

/** How an error travels: in an HTTP body as `{error}`, and between processes. */
export interface ErrorJson {
  code: ErrorCode;
  message: string;
  hint?: string;
}

/** An error with a code from the table, a message that says what happened, and a hint that says what to do. */
export class DhError extends Error {
  override readonly name = 'DhError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get status(): number {
    return TABLE[this.code].status;
  }

  get retryable(): boolean {
    return TABLE[this.code].retryable;
  }

  toJSON(): ErrorJson {
    return { code: this.code, message: this.message, ...(this.hint === undefined ? {} : { hint: this.hint }) };
  }

  /** Rebuilds an error that came from another process; what carries no known code becomes `internal`. */
  static from(error: unknown): DhError {
    if (error instanceof DhError) return error;
    const { code, message, hint } = (error ?? {}) as Partial<ErrorJson>;
    const text = typeof message === 'string' ? message : String(error);
    if (typeof code === 'string' && Object.hasOwn(TABLE, code)) {
      return new DhError(code, text, { ...(hint === undefined ? {} : { hint }), cause: error });
    }
    return new DhError('internal', text, { cause: error });
  }
}
