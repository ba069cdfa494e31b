/** Something that an operator should know, from when it began until it ended. */
export interface Alert {
  id: string;
  name: string;
  /** What it is about: `server`, a process, a session, a disk. */
  subject: string;
  severity: 'warning' | 'critical';
  /** Milliseconds since 1970. */
  raisedAtMs: number;
  clearedAtMs: number | null;
  /** The newest while it is active, then the last one that was bad. */
  value: number;
  limit: number;
  unit: string;
  message: string;
  advice: string;
}

/** When something is wrong, and in which words that is told. */
export interface AlertRule {
  name: string;
  severity: Alert['severity'];
  unit: string;
  /** `above`: values over the limit are bad; `below`: those under it. */
  bad: 'above' | 'below';
  /** How long the value must be bad before the alert is raised, and good again before it is cleared, in ms. */
  raiseAfterMs: number;
  clearAfterMs: number;
  message: (subject: string, value: number, limit: number) => string;
  advice: string;
}

/** One value with its limits. Between the two nothing changes. */
export interface Observation {
  subject: string;
  /** Null: not known now, nothing changes. */
  value: number | null;
  raiseAt: number;
  clearAt: number;
}

interface State {
  rule: AlertRule;
  /** Since when the value has been bad (quiet) or good (raised). */
  since: number | null;
  alert: Alert | null;
  round: number;
}

const MOST_RECENT = 100;

/** Raises and clears alerts. Each look at the server is a round: `begin`, observations, `end`. */
export class AlertBook {
  readonly #states = new Map<string, State>();
  readonly #recent: Alert[] = [];
  readonly #onRaised: (alert: Alert) => void;
  readonly #onCleared: (alert: Alert) => void;
  #round = 0;
  #atMs = 0;
  #count = 0;

  constructor(listeners: { raised: (alert: Alert) => void; cleared: (alert: Alert) => void }) {
    this.#onRaised = listeners.raised;
    this.#onCleared = listeners.cleared;
  }

  /** Newest first. */
  active(): Alert[] {
    return [...this.#states.values()]
      .flatMap(({ alert }) => (alert === null ? [] : [{ ...alert }]))
      .sort((a, b) => b.raisedAtMs - a.raisedAtMs);
  }

  /** Those that were cleared, newest first, at most a hundred. */
  recent(): Alert[] {
    return this.#recent.map((alert) => ({ ...alert }));
  }

  begin(atMs: number): void {
    this.#round += 1;
    this.#atMs = atMs;
  }

  observe(rule: AlertRule, { subject, value, raiseAt, clearAt }: Observation): void {
    const key = `${rule.name}\n${subject}`;
    const state = this.#states.get(key) ?? { rule, since: null, alert: null, round: 0 };
    this.#states.set(key, state);
    state.round = this.#round;
    if (value === null || Number.isNaN(value)) {
      state.since = null;
      return;
    }
    const worse = (limit: number): boolean => (rule.bad === 'above' ? value >= limit : value < limit);
    const { alert } = state;
    const turning = alert === null ? worse(raiseAt) : !worse(clearAt);
    if (alert && worse(raiseAt)) {
      alert.value = value;
      alert.limit = raiseAt;
      alert.message = rule.message(subject, value, raiseAt);
    }
    if (!turning) {
      state.since = null;
      return;
    }
    state.since ??= this.#atMs;
    const lasted = this.#atMs - state.since;
    if (alert === null) {
      if (lasted >= rule.raiseAfterMs) this.#raise(state, subject, value, raiseAt);
    } else if (lasted >= rule.clearAfterMs) this.#clear(state, alert);
  }

  /** What was not observed in this round is gone, and its alert with it. */
  end(): void {
    for (const [key, state] of this.#states) {
      if (state.round === this.#round) continue;
      if (state.alert) this.#clear(state, state.alert);
      this.#states.delete(key);
    }
  }

  #raise(state: State, subject: string, value: number, limit: number): void {
    const { name, severity, unit, message, advice } = state.rule;
    state.since = null;
    state.alert = {
      id: `a${++this.#count}`,
      name,
      subject,
      severity,
      raisedAtMs: this.#atMs,
      clearedAtMs: null,
      value,
      limit,
      unit,
      message: message(subject, value, limit),
      advice,
    };
    this.#onRaised({ ...state.alert });
  }

  #clear(state: State, alert: Alert): void {
    state.since = null;
    state.alert = null;
    const cleared = { ...alert, clearedAtMs: this.#atMs };
    this.#recent.unshift(cleared);
    this.#recent.length = Math.min(this.#recent.length, MOST_RECENT);
    this.#onCleared({ ...cleared });
  }
}
