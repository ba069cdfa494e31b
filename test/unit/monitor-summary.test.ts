import { describe, expect, it } from 'vitest';
import { Summary, summaryLines } from '../../src/monitor/summary.js';
import { sample } from '../support/monitor-samples.js';

describe('the summary', () => {
  it('holds each process, the slope in words, and each alert once with its last words', () => {
    const summary = new Summary(1000);
    for (let second = 0; second < 120; second++) {
      const [control, stage] = sample().processes;
      const alert = { ...sample().alerts[0]!, message: `The disk has ${200 - second} MB left.` };
      summary.add(
        sample({
          atMs: second * 1000,
          rssBytes: 200e6 + second * 1e6,
          processes: [control!, { ...stage!, rssBytes: 104e6 + second * 1e6 }],
          alerts: second > 10 ? [alert] : [],
        }),
      );
    }
    const json = summary.json('http://127.0.0.1:8010', null, null);
    expect(json).toMatchObject({ samples: 120, durationMs: 119_000, alerts: ['The disk has 81 MB left.'] });
    expect(json.processes['stage-0']).toMatchObject({ min: 104e6, max: 223e6 });
    // 1 MB a second is 3600 MB an hour, exactly: there is no noise.
    expect(json.rssBytes!.slope!.perHour).toBeCloseTo(3.6e9, -3);
    expect(json.processes['control']!.slope!.perHour).toBe(0);
    const text = summaryLines(json).join('\n');
    for (const part of [
      '120 samples in 1:59',
      'memory grows, +3600 MB/h',
      'alert: The disk has 81 MB left.',
      'stage-0',
    ]) {
      expect(text).toContain(part);
    }
    expect(text.match(/alert:/g)).toHaveLength(1);
    expect(text).not.toContain('just started');
    expect(summaryLines({ ...json, uptimeMs: 20_000 }).join()).toContain('the server had just started');
  });

  it('keeps its size however many names and alerts come by', () => {
    const summary = new Summary(1000);
    for (let i = 0; i < 2000; i++) {
      const processes = [{ ...sample().processes[0]!, name: `media-${i}` }];
      summary.add(sample({ atMs: i * 1000, processes, alerts: [{ ...sample().alerts[0]!, id: `a${i}` }] }));
    }
    const json = summary.json('x', null, null);
    expect(Object.keys(json.processes).length).toBeLessThanOrEqual(64);
    expect(json.alerts.length).toBeLessThanOrEqual(64);
    expect(json.rssBytes!.slope!.blocks).toBeLessThanOrEqual(128);
  });
});
