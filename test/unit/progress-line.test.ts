import { expect, test } from 'vitest';
import { ProgressLine } from '../../src/cli/progress-line.js';
import { RenderReport } from '../../src/cli/render-report.js';
import type { RenderProgress } from '../../src/render/render-events.js';

/** A terminal that scrolls: what is on it and above, line by line. */
class Screen {
  readonly lines = [''];
  columns = 60;

  write(text: string): void {
    const clear = '\u001b[K';
    for (const part of text.split(new RegExp(`(\r|\n|${clear.replace('[', '\\[')})`))) {
      if (part === '\n') this.lines.push('');
      else if (part === clear) this.lines[this.lines.length - 1] = '';
      else if (part.includes('\u001b')) throw new Error('the cursor goes elsewhere');
      else if (part !== '\r') this.lines[this.lines.length - 1] += part;
    }
  }
}

const progress: RenderProgress = {
  ...{ phase: 'write', clipsDone: 4, clips: 4, partsDone: 0, parts: 2, share: 0.5, leftS: 1.2, speed: 12.34 },
  rssBytes: 200e6,
};

test('a render leaves its lines and nothing of the bar, and names no field before it has a value', () => {
  const screen = new Screen();
  const report = new RenderReport({ json: false, terminal: screen });
  report.tell({ event: 'plan', clips: 4, bad: 0, aboutS: 21, neededBytes: 3e6, freeBytes: 77e9 });
  report.tell({ event: 'progress', ...progress, phase: 'check', share: 0, leftS: null, speed: 0 });
  expect(screen.lines.at(-1)).toBe(`${'-'.repeat(30)}   0 %  looking at clips 4/4  `.slice(0, 59));
  report.tell({ event: 'progress', ...progress });
  expect(screen.lines.at(-1)).toMatch(/^={15}-{15} {2}50 % {2}writing part 1\/2 {2}2 s/);
  report.tell({ event: 'part', number: 1, parts: 2, file: 'part-001.mp4', durationS: 10, bytes: 1 });
  expect(screen.lines.at(-1)).toContain('writing part 1/2');
  report.tell({
    event: 'note',
    message: 'finished: removed 4 prepared clips (2 MB) from a folder with a long, long name',
  });
  report.done(null);
  expect(screen.lines).toEqual([
    '4 clips, about 21 s; needs 3 MB, free 77.0 GB',
    'part 1/2 written',
    'finished: removed 4 prepared clips (2 MB) from a folder with a long, long name',
    '',
  ]);
});

test('lines are printed as they are while there is no bar', () => {
  const screen = new Screen();
  const bar = new ProgressLine(screen);
  bar.print('first');
  bar.close();
  bar.close();
  expect(screen.lines).toEqual(['first', '']);
});
