import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CSV_HEADER, csvRow, jsonLine, plainLine } from '../../src/monitor/lines.js';
import { ChartHistory, renderScreen, type ScreenView } from '../../src/monitor/screen.js';
import { Terminal } from '../../src/monitor/terminal.js';
import { cut, pad, plain, widthOf, wrap } from '../../src/monitor/text.js';
import { sample } from '../support/monitor-samples.js';

function view(over: Partial<ScreenView> = {}, samples = 30): ScreenView {
  const history = new ChartHistory();
  for (let i = 0; i < samples; i++) history.add(sample({ rssBytes: 200e6 + i * 1e6 }));
  const base = { subject: 'http://127.0.0.1:8010', sample: sample(), history, intervalMs: 1000, watchedMs: 30_000 };
  return { ...base, slope: null, notice: null, ...over };
}

describe('the live screen', () => {
  it('shows memory, registry, sessions and alerts with advice', () => {
    const text = renderScreen(view(), { columns: 110, rows: 40, colours: false }).join('\n');
    for (const part of [
      '212 of 3000 MB', '● normal', 'control', 'stage-0', 'frame pool', 'session main', '90 %', 'speaking', '25.0',
      '1/3', 'The disk is nearly full.', '→ Delete old recordings', 'limit 3000 MB is far above', '━ stage-0', 'Ctrl+C',
    ]) expect(text).toContain(part); // prettier-ignore
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/[╭╰─╮╯]/);
  });

  it('draws the limit as a line when memory comes near it', () => {
    const near = sample({ rssBytes: 900e6, limitBytes: 1000e6, level: 'soft', step: 'trim' });
    const history = new ChartHistory();
    for (let i = 0; i < 20; i++) history.add(near);
    const text = renderScreen(view({ sample: near, history }), { columns: 100, rows: 40, colours: true }).join('\n');
    expect(text).toContain('━ limit');
    expect(text).toContain('● soft, trim');
    expect(text).toContain('\u001b[31m');
  });

  it('fits into every terminal, with few samples and with many', () => {
    const size = fc.record({ columns: fc.integer({ min: 1, max: 220 }), rows: fc.integer({ min: 1, max: 90 }) });
    const name = fc.string({ unit: 'grapheme', maxLength: 60 });
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 600 }), fc.boolean(), name, (area, samples, colours, id) => {
        const odd = sample({ alerts: [], sessions: [{ ...sample().sessions[0]!, id: plain(id) }] });
        const lines = renderScreen(view({ sample: odd }, samples), { ...area, colours });
        expect(lines.length).toBeLessThanOrEqual(area.rows);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(area.columns);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves out what is not known', () => {
    const { processes } = sample();
    const bare = processes.map((one) => ({
      ...one,
      level: null,
      baseBytes: null,
      accountedBytes: null,
      unaccountedBytes: null,
    }));
    const seen = sample({
      processes: bare,
      limitBytes: null,
      level: null,
      uptimeMs: null,
      owners: [],
      sessions: [],
      alerts: [],
    });
    const history = new ChartHistory();
    history.add(seen);
    const text = renderScreen(view({ sample: seen, history }), { columns: 100, rows: 30, colours: false }).join('\n');
    expect(text).toContain('212 MB');
    for (const part of ['unaccounted', 'session', 'owner', 'limit', 'NaN', 'null']) expect(text).not.toContain(part);
  });
});

describe('the terminal', () => {
  function stream() {
    const listeners = new Set<() => void>();
    const written: string[] = [];
    return {
      columns: 80,
      rows: 24,
      written,
      listeners,
      write: (text: string) => written.push(text) > 0,
      on: (_event: 'resize', listener: () => void) => listeners.add(listener),
      off: (_event: 'resize', listener: () => void) => listeners.delete(listener),
    };
  }

  it('is drawn over in place, never blanked, and given back', () => {
    const out = stream();
    const exits = process.listenerCount('exit');
    const terminal = new Terminal(out, () => undefined);
    terminal.draw(['one', 'two']);
    terminal.draw(['one', 'two']);
    expect(out.written).toHaveLength(2); // the second picture is the same
    expect(out.written.join('')).not.toContain('\u001b[2J');
    terminal.close();
    terminal.close();
    terminal.draw(['three']);
    expect(out.written).toHaveLength(3);
    expect(out.written[2]).toContain('\u001b[?25h');
    expect(out.listeners.size).toBe(0);
    expect(process.listenerCount('exit')).toBe(exits);
  });

  it('is drawn again when its size changes', () => {
    const out = stream();
    const terminal = new Terminal(out, () => terminal.draw([`${terminal.size.columns} columns`]));
    terminal.draw(['80 columns']);
    out.columns = 0;
    expect(terminal.size).toEqual({ columns: 80, rows: 24 });
    out.columns = 40;
    for (const listener of out.listeners) listener();
    expect(out.written.at(-1)).toContain('40 columns');
    terminal.close();
  });
});

describe('lines for other programs', () => {
  it('hold the figures', () => {
    const line = plainLine(sample());
    for (const part of [
      '2030-01-01T00:00:00.000Z',
      'rss=212MB',
      'stage-0=116MB',
      'cpu=25%',
      'fps=25.0',
      'drops=7',
      'alerts=1',
    ]) {
      expect(line).toContain(part);
    }
    expect(JSON.parse(jsonLine(sample()))).toMatchObject({
      type: 'sample',
      rssBytes: 212e6,
      viewers: 3,
      unaccountedBytes: 32e6,
    });
  });

  it('have as many columns as the head of the file, whatever is known', () => {
    const columns = CSV_HEADER.split(',').length;
    const unknown = sample({ limitBytes: null, sessions: [], processes: [], owners: [], alerts: [] });
    for (const one of [sample(), unknown]) expect(csvRow(one).split(',')).toHaveLength(columns);
    expect(csvRow(sample())).toMatch(
      /^2030-01-01T00:00:00.000Z,212.00,3000.00,96.00,116.00,0.00,0.00,0.00,0.00,60.00,32.00,24.8,25.00,8.10,1,7,2,3,1$/,
    );
  });
});

describe('text', () => {
  it('from outside cannot steer the terminal', () => {
    expect(plain('a\u001b[2Jb\nc\u202ed')).toBe('a [2Jb c d');
    expect(plain(undefined)).toBe('');
  });

  it('is cut and filled by the cells that it takes', () => {
    expect(widthOf('会话 a')).toBe(6);
    expect(cut('会话会话', 5)).toBe('会话…');
    expect(pad('ab', 4)).toBe('ab  ');
    expect(pad('ab', -4)).toBe('  ab');
    expect(widthOf(cut(`\u001b[31m${'x'.repeat(50)}\u001b[0m`, 10))).toBe(10);
    expect(wrap('one two three four', 9)).toEqual(['one two', 'three', 'four']);
  });
});
