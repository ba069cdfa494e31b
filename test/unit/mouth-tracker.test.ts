import { describe, expect, it } from 'vitest';
import { MouthTracker } from '../../src/avatar/mouth/mouth-tracker.js';
import {
  CHUNK_SAMPLES,
  SAMPLE_RATE,
  neutralMouth,
  type AudioChunk,
  type MouthPose,
  type VisemeCue,
} from '../../src/units.js';

/** 40 ms chunks of a function of time in seconds, −1…1. */
function soundOf(lengthS: number, sample: (s: number) => number, utteranceId = 'u'): AudioChunk[] {
  return Array.from({ length: Math.ceil(lengthS * 25) }, (_, k) => ({
    samples: Int16Array.from({ length: CHUNK_SAMPLES }, (_, i) =>
      Math.round(32_767 * Math.max(-1, Math.min(1, sample((k * CHUNK_SAMPLES + i) / SAMPLE_RATE)))),
    ),
    utteranceId,
    startSample: k * CHUNK_SAMPLES,
    lengthSamples: CHUNK_SAMPLES,
  }));
}

/** Something like a voice: "ah" (first formant at 800 Hz) for 200 ms, then nearly nothing for 200 ms, over and over. */
function babble(gain = 1): (s: number) => number {
  return (s) => {
    if (s < 0.2) return 0;
    const phase = (s % 0.4) / 0.2;
    const envelope = phase < 1 ? Math.sin(Math.PI * phase) : 0.002;
    let sum = 0;
    for (let harmonic = 1; harmonic <= 24; harmonic++) {
      const hz = 120 * harmonic;
      const formants = 1 / (1 + ((hz - 800) / 120) ** 2) + 0.5 / (1 + ((hz - 1200) / 150) ** 2) + 0.02;
      sum += formants * Math.sin(2 * Math.PI * hz * s + harmonic);
    }
    return 0.15 * gain * envelope * sum;
  };
}

function noiseOf(amplitude: number): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return amplitude * (state / 0x3fffffff - 1);
  };
}

function play(tracker: MouthTracker, chunks: readonly AudioChunk[], ahead = 3): MouthPose[] {
  const out = neutralMouth();
  return chunks.map((chunk, frame) => {
    tracker.next(chunk, chunks.slice(frame + 1, frame + 1 + ahead), out);
    return { ...out };
  });
}

function idle(tracker: MouthTracker, frames: number): MouthPose[] {
  const out = neutralMouth();
  return Array.from({ length: frames }, () => {
    tracker.next(null, [], out);
    return { ...out };
  });
}

const peak = (poses: readonly MouthPose[]) => Math.max(...poses.map(({ open }) => open));
const quiet = soundOf(2, () => 0);

function cue(viseme: VisemeCue['viseme'], startMs: number, endMs: number): VisemeCue {
  return { viseme, startMs, endMs };
}

describe('a mouth without cues', () => {
  it('is still in silence, in no sound and in faint noise', () => {
    for (const poses of [
      idle(new MouthTracker(), 50),
      play(new MouthTracker(), quiet),
      play(new MouthTracker(), soundOf(4, noiseOf(0.002))),
      play(new MouthTracker(), soundOf(4, noiseOf(0.02))),
    ]) {
      expect(peak(poses)).toBeLessThan(0.01);
    }
  });

  it('opens with a voice and closes between its syllables', () => {
    const poses = play(new MouthTracker(), soundOf(3, babble()));
    expect(peak(poses)).toBeGreaterThan(0.4);
    const later = poses.slice(30).map(({ open }) => open);
    expect(Math.min(...later)).toBeLessThan(0.1);
  });

  it('does the same 20 dB and 30 dB quieter', () => {
    const loud = play(new MouthTracker(), soundOf(3, babble()));
    for (const gain of [0.1, 0.0316]) {
      const faint = play(new MouthTracker(), soundOf(3, babble(gain)));
      const difference = loud.reduce((sum, pose, i) => sum + Math.abs(pose.open - faint[i]!.open), 0) / loud.length;
      expect(difference).toBeLessThan(0.06);
    }
  });

  it('works with no look-ahead', () => {
    const poses = play(new MouthTracker(), soundOf(3, babble()), 0);
    expect(peak(poses)).toBeGreaterThan(0.4);
  });

  it('shuts after the sound has ended', () => {
    const tracker = new MouthTracker();
    play(tracker, soundOf(1.12, babble()));
    const after = idle(tracker, 10);
    expect(after.slice(4).every(({ open }) => open === 0)).toBe(true);
    expect(tracker.energy).toBeLessThan(0.2);
  });

  it('gives the same for the same', () => {
    const sound = soundOf(2, babble());
    expect(play(new MouthTracker(), sound)).toEqual(play(new MouthTracker(), sound));
  });

  it('tells how loud the voice is', () => {
    const tracker = new MouthTracker();
    expect(tracker.energy).toBe(0);
    const out = neutralMouth();
    const energies: number[] = [];
    for (const chunk of soundOf(2, babble())) {
      tracker.next(chunk, [], out);
      energies.push(tracker.energy);
    }
    expect(Math.max(...energies)).toBeGreaterThan(0.4);
    expect(Math.max(...energies)).toBeLessThanOrEqual(1);
    idle(tracker, 60);
    expect(tracker.energy).toBe(0);
  });
});

describe('a mouth with cues', () => {
  const cues = [
    cue('sil', 0, 200),
    cue('aa', 200, 500),
    cue('PP', 500, 560),
    cue('aa', 560, 900),
    cue('sil', 900, 2000),
  ];

  it('opens a vowel early, presses the lips for p and shuts at the end', () => {
    const tracker = new MouthTracker();
    tracker.addCues('u', cues);
    const poses = play(tracker, quiet);
    expect(poses[0]!.open).toBe(0);
    // The frame from 160 ms ends where the vowel begins.
    expect(poses[4]!.open).toBeGreaterThan(0.1);
    expect(peak(poses.slice(5, 12))).toBeGreaterThan(0.6);
    expect(poses[13]).toMatchObject({ press: 1, open: 0 });
    expect(peak(poses.slice(14, 20))).toBeGreaterThan(0.6);
    expect(poses.slice(26).every(({ open }) => open === 0)).toBe(true);
  });

  it('shows every closure of 30 ms, wherever it falls between two frames', () => {
    for (let startMs = 400; startMs < 440; startMs += 1) {
      const tracker = new MouthTracker();
      tracker.addCues('u', [cue('aa', 0, startMs), cue('PP', startMs, startMs + 30), cue('aa', startMs + 30, 900)]);
      const poses = play(tracker, quiet.slice(0, 22));
      const shown = poses[Math.floor((startMs + 15) / 40)]!;
      expect(shown.press, `closure at ${startMs} ms`).toBe(1);
      expect(shown.open, `closure at ${startMs} ms`).toBe(0);
    }
  });

  it('takes cues that come in parts', () => {
    const whole = new MouthTracker();
    whole.addCues('u', cues);
    const parts = new MouthTracker();
    for (const part of cues) parts.addCues('u', [part]);
    expect(play(parts, quiet)).toEqual(play(whole, quiet));
  });

  it('keeps only what is to come', () => {
    const tracker = new MouthTracker();
    const chunks = soundOf(20, () => 0);
    for (let i = 0; i < 330; i++) tracker.addCues('u', [cue(i % 2 ? 'aa' : 'DD', i * 60, (i + 1) * 60)]);
    play(tracker, chunks);
    expect(tracker.pendingCues).toBeLessThan(10);
    tracker.addCues('next', cues);
    tracker.forget('u');
    tracker.forget('next');
    expect(tracker.pendingCues).toBe(0);
  });

  it('begins to open before its first sound', () => {
    const tracker = new MouthTracker();
    tracker.addCues('u', [cue('aa', 0, 500)]);
    const out = neutralMouth();
    tracker.next(null, quiet.slice(0, 3), out);
    expect(out.open).toBeGreaterThan(0.05);
  });

  it('uses the cues of the utterance that is heard', () => {
    const tracker = new MouthTracker();
    tracker.addCues('other', [cue('aa', 0, 2000)]);
    expect(peak(play(tracker, quiet))).toBe(0);
  });
});

describe('an interrupted mouth', () => {
  it('shuts within three frames, without a jump', () => {
    const tracker = new MouthTracker();
    tracker.addCues('u', [cue('aa', 0, 2000)]);
    const before = play(tracker, quiet.slice(0, 20)).at(-1)!.open;
    tracker.reset();
    tracker.forget('u');
    const after = idle(tracker, 5).map(({ open }) => open);
    expect(before).toBeGreaterThan(0.6);
    expect(after[0]).toBeGreaterThan(0.2);
    expect(after[0]).toBeLessThan(before);
    expect(after[1]).toBeLessThan(after[0]!);
    expect(after.slice(2)).toEqual([0, 0, 0]);
  });
});
