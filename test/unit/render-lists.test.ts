import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readClipList } from '../../src/render/clip-list.js';
import { parseCsv } from '../../src/render/csv.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'list-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a folder is read in natural order, with what lies beside the clips', async () => {
  const names = ['10.wav', '2.mp3', '1.wav', '中文 名.flac', 'a\nb.ogg', '.hidden.wav', 'notes.md', '2.png', '10.txt'];
  for (const name of names) await writeFile(join(folder, name), name === '10.txt' ? ' the tenth \n' : 'x');
  await mkdir(join(folder, 'more'));
  const clips = await readClipList(folder);
  expect(clips.map(({ name }) => name)).toEqual(['1.wav', '2.mp3', '10.wav', 'a\nb.ogg', '中文 名.flac']);
  expect(clips[1]?.image).toBe(join(folder, '2.png'));
  expect(clips[2]?.text).toBe('the tenth');
  expect(clips[2]?.source).toEqual({ kind: 'file', path: join(folder, '10.wav') });
});

test('a text is one clip a line', async () => {
  await writeFile(join(folder, 's.txt'), '\uFEFFOne.\r\n\r\n  Two.  \nThree.');
  const clips = await readClipList(join(folder, 's.txt'));
  expect(clips.map(({ name, text }) => [name, text])).toEqual([
    ['line 1', 'One.'],
    ['line 3', 'Two.'],
    ['line 4', 'Three.'],
  ]);
});

test('lists keep their order, and paths are relative to them', async () => {
  await writeFile(
    join(folder, 'l.csv'),
    'file,title,gap,text\nb.wav,"B, the ""second""",250ms,\n"a\nx.wav",,,"two\nlines"\n,,,Spoken.\n',
  );
  const csv = await readClipList(join(folder, 'l.csv'));
  expect(csv.map(({ name }) => name)).toEqual(['b.wav', 'a\nx.wav', expect.stringContaining('row 4')]);
  expect(csv[0]).toMatchObject({ title: 'B, the "second"', gapMs: 250, source: { path: join(folder, 'b.wav') } });
  expect(csv[1]?.text).toBe('two\nlines');
  expect(csv[2]?.source).toEqual({ kind: 'text', text: 'Spoken.', voice: null, language: null });

  await writeFile(join(folder, 'l.json'), '["b.wav", {"text": "Hi.", "voice": "v", "image": "p.png", "gap": 0}]');
  const json = await readClipList(join(folder, 'l.json'));
  expect(json[1]).toMatchObject({
    gapMs: 0,
    image: join(folder, 'p.png'),
    source: { kind: 'text', text: 'Hi.', voice: 'v' },
  });
});

test.each([
  ['l.csv', 'name\nx\n', 'the first line must name the columns'],
  ['l.csv', 'file,colour\na.wav,red\n', 'row 2'],
  ['l.csv', 'file,gap\na.wav,soon\n', '"soon" is not a gap'],
  ['l.json', '{"a": 1}', 'must be a list'],
  ['l.json', '[1]', 'entry 1'],
  ['l.json', '[{"title": "t"}]', 'neither a file nor a text'],
  ['l.json', '[', 'is not JSON'],
  ['l.txt', '\n \n', 'nothing to render'],
  ['l.pdf', '', 'not a list'],
])('%s with %j is refused: %s', async (name, content, message) => {
  await writeFile(join(folder, name), content);
  await expect(readClipList(join(folder, name))).rejects.toMatchObject({
    code: 'bad_request',
    message: expect.stringContaining(message),
  });
});

test('a folder without sound and a missing one say so', async () => {
  await expect(readClipList(folder)).rejects.toMatchObject({ code: 'bad_request' });
  await expect(readClipList(join(folder, 'no'))).rejects.toMatchObject({ code: 'not_found' });
});

test('cells of a CSV', () => {
  expect(parseCsv('a;b\n1;"2;3"\n\n;\n')).toEqual([
    ['a', 'b'],
    ['1', '2;3'],
  ]);
  expect(parseCsv('a,b\r\n"x""y",\r\n')).toEqual([
    ['a', 'b'],
    ['x"y', ''],
  ]);
});
