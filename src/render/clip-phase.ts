import { DhError } from '../errors.js';
import { eachAbreast } from './abreast.js';
import { captionFont, missingLetters } from './caption-font.js';
import { ClipChecker, isBad, type BadClip, type CheckedClip } from './clip-check.js';
import type { ProgressMeter } from './progress-meter.js';
import type { ProjectFiles } from './project-files.js';
import type { RenderSettings, RenderTools } from './render-settings.js';
import { WORK } from './work.js';

/** What a clip itself is to blame for. */
const CLIP_FAULTS = new Set([
  'not_found',
  'audio_invalid',
  'audio_unsupported',
  'audio_too_long',
  'speech_failed',
  // A decoder, or render workers, died over it again and again.
  'task_crashed',
]);
/** What the phase works with; `stop` ends everything, `signal` tells of it. */
export interface ClipPhaseParts {
  settings: RenderSettings;
  tools: RenderTools;
  files: ProjectFiles;
  meter: ProgressMeter;
  stop: AbortController;
  signal: AbortSignal;
  note: (message: string) => void;
}

/** The first phase of a render: every clip is checked, then prepared on its own. */
export class ClipPhase {
  readonly #parts: ClipPhaseParts;
  /** Clips that cannot be used. */
  bad: BadClip[] = [];
  /** Picture of clips without one of their own. */
  image: { path: string; hash: string } | null = null;
  /** The drawn avatar; null: still pictures. */
  bakedPath: string | null = null;
  /** Font of burnt-in text; null: there is none. */
  fontFile: string | null = null;

  constructor(parts: ClipPhaseParts) {
    this.#parts = parts;
  }

  /**
   * Looks at every clip and at what is shown with it. Returns those that can be used.
   * @throws DhError `clips_invalid` with all that cannot, unless they are to be skipped
   */
  async check(): Promise<CheckedClip[]> {
    const { clips, image, avatar, output, skipBad, jobs } = this.#parts.settings;
    this.#parts.meter.clips = clips.length;
    this.#parts.meter.expect({ check: clips.length * WORK.checkClip });
    this.#parts.meter.enter('check');
    const { media, speech, bake } = this.#parts.tools;
    const checker = new ClipChecker(this.#parts.files.manifest, { media, speech, signal: this.#parts.signal });
    if (image !== null && avatar === null) this.image = { path: image, hash: await checker.picture(image) };
    const found: (CheckedClip | BadClip)[] = [];
    await eachAbreast(clips, jobs, this.#parts, async (clip, index) => {
      const shown = avatar === null ? clip : { ...clip, image: null };
      found[index] = await checker.check(shown, index);
      this.#parts.meter.clipsDone++;
      this.#parts.meter.add(WORK.checkClip);
    });
    this.#parts.meter.clipsDone = 0;
    this.bad = found.filter(isBad);
    const good = found.filter((clip): clip is CheckedClip => !isBad(clip));
    if (this.bad.length > 0 && (!skipBad || good.length === 0)) throw this.#badClips();
    if (avatar !== null) this.bakedPath = await bake(avatar, output);
    if (this.#parts.settings.subtitles.burn) await this.#findFont(good);
    return good;
  }

  /** Letters that no font has are left out of the pictures, and told. */
  async #findFont(clips: readonly CheckedClip[]): Promise<void> {
    const text = [...new Set(clips.flatMap((clip) => [...(clip.text ?? '')]))].join('');
    if (text === '') return;
    this.fontFile = await captionFont(this.#parts.settings.font, text);
    const missing = await missingLetters(text, this.fontFile);
    if (missing.length === 0) return;
    const most = 40;
    const more = missing.length > most ? ` and ${missing.length - most} more` : '';
    this.#parts.note(
      `the font ${this.fontFile} lacks ${missing.slice(0, most).join(' ')}${more}: left out of the pictures; choose a font that has them with --font`,
    );
  }

  #badClips(): DhError {
    const most = 50;
    const lines = this.bad
      .slice(0, most)
      .map(({ index, name, reason }) => `  ${index + 1}. ${JSON.stringify(name)}: ${reason}`);
    const more = this.bad.length > most ? [`  and ${this.bad.length - most} more`] : [];
    return new DhError(
      'clips_invalid',
      [`${this.bad.length} of ${this.#parts.settings.clips.length} clips cannot be used:`, ...lines, ...more].join(
        '\n',
      ),
      { hint: 'Mend or remove them, or leave them out with --skip-bad.' },
    );
  }

  /** Prepares every clip whose length is not known yet. Returns the clips that could be. */
  async prepareLengths(clips: readonly CheckedClip[]): Promise<CheckedClip[]> {
    this.#parts.meter.enter('prepare');
    const failed = await this.#prepare(clips.filter(({ key }) => !(key in this.#parts.files.manifest.clips)));
    if (failed.length === 0) return [...clips];
    this.bad = [...this.bad, ...failed].sort((a, b) => a.index - b.index);
    const left = clips.filter(({ index }) => !failed.some((bad) => bad.index === index));
    if (!this.#parts.settings.skipBad || left.length === 0) throw this.#badClips();
    return left;
  }

  /** Prepares those clips whose sound is not there any more. */
  async prepareMissing(clips: readonly CheckedClip[]): Promise<void> {
    const missing: CheckedClip[] = [];
    for (const clip of clips) if ((await this.#parts.files.store.find(clip.key)) === null) missing.push(clip);
    const failed = await this.#prepare(missing);
    if (failed.length === 0) return;
    this.bad = failed;
    throw this.#badClips();
  }

  /** Prepares clips, equal ones once. Returns those that are to blame themselves. */
  async #prepare(clips: readonly CheckedClip[]): Promise<BadClip[]> {
    const byKey = new Map<string, CheckedClip[]>();
    for (const clip of clips) byKey.set(clip.key, [...(byKey.get(clip.key) ?? []), clip]);
    const groups = [...byKey.values()];
    this.#parts.meter.clipsDone = this.#parts.meter.clips - clips.length;
    this.#parts.meter.tell(true);
    const failed: BadClip[] = [];
    await eachAbreast(
      groups,
      this.#parts.tools.preparer.abreast ?? this.#parts.settings.jobs,
      this.#parts,
      async (group) => {
        const [{ key, source, aboutS }] = group as [CheckedClip];
        try {
          const found = await this.#parts.files.store.find(key);
          const clip =
            found ??
            (await this.#parts.tools.preparer.prepare(
              { key, source },
              this.#parts.files.store.folder,
              this.#parts.signal,
            ));
          if (clip.lengthSamples === 0) throw new DhError('audio_invalid', 'the file holds no sound');
          this.#parts.files.manifest.clips[key] = clip;
        } catch (error) {
          this.#parts.signal.throwIfAborted();
          if (!(error instanceof DhError) || !CLIP_FAULTS.has(error.code)) throw error;
          failed.push(...group.map(({ index, name }) => ({ index, name, reason: error.message })));
        }
        this.#parts.meter.clipsDone += group.length;
        this.#parts.meter.add(aboutS * WORK.prepareSecond);
      },
    );
    this.#parts.meter.tell(true);
    return failed;
  }
}
