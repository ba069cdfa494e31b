import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packagePath } from '../../src/entry.js';

const read = (path: string): string => readFileSync(packagePath(path), 'utf8');
const source = read('web/dh-live-viewer.js');
const doc = read('docs/embedding.md');

/** The words in backquotes in the first column of the table under a heading, without what follows a bracket. */
function column(heading: string, under = doc): string[] {
  const section = under.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const cells = section.split('\n').flatMap((line) => /^\| +(`[^|]+)\|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)/g)].map(([, name]) => name ?? '')).sort();
}

/** Names of all matches of the first group, once each, in order. */
function names(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, name]) => name ?? ''))].sort();
}

const observed = /observedAttributes = \[([^\]]*)\]/.exec(source)?.[1] ?? '';
const attributes = [
  ...new Set([...names(observed, /'([\w-]+)'/g), ...names(source, /this\.(?:get|has)Attribute\('([\w-]+)'/g)]),
].sort();
const events = names(source, /#emit\('(dh-\w+)'/g);
const members = names(source, /^ {2}(?:async |get |set )?(\w+)\(.*\{$/gm).filter(
  (name) => !/^constructor$|Callback$/.test(name),
);

/** Member names of the interfaces and classes of a declaration file. */
function declared(path: string): Map<string, string[]> {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
  const found = new Map<string, string[]>();
  file.forEachChild((node) => {
    if (!ts.isInterfaceDeclaration(node) && !ts.isClassDeclaration(node)) return;
    const own = node.members.flatMap(({ name }) => (name ? [name.getText().replaceAll("'", '')] : []));
    found.set(node.name?.text ?? '', [...new Set(own)].sort());
  });
  return found;
}

describe('docs/embedding.md', () => {
  it('has every attribute, event, property and method of the element, and no other', () => {
    expect(column('Attributes')).toEqual(attributes);
    expect(column('Properties and methods')).toEqual(members);
    expect(column('Events').filter((name) => name.startsWith('dh-'))).toEqual(events);
  });

  it('has every state', () => {
    const states = /type WatchState = ([^;]*);/.exec(read('web/whep.d.ts'))?.[1] ?? '';
    expect(column('Events').filter((name) => !name.startsWith('dh-'))).toEqual(names(states, /'(\w+)'/g));
  });
});

describe('the types of the element', () => {
  const types = declared('web/dh-live-viewer.d.ts');

  it('have what it has', () => {
    expect(types.get('DhLiveViewerAttributes')).toEqual(attributes);
    expect(types.get('DhLiveViewerEventMap')).toEqual(events);
    expect(types.get('DhLiveViewer')).toEqual(members);
    const whep = declared('web/whep.d.ts');
    const documented = (event: string): string[] => {
      const [, list = ''] = new RegExp(`\\| \`${event}\` .*?\\{(.*?)\\}`).exec(doc) ?? [];
      return list.split(', ').sort();
    };
    expect(whep.get('WatchStateDetail')).toEqual(documented('dh-state'));
    expect(whep.get('WatchStats')).toEqual(documented('dh-stats'));
  });

  it('fit the examples, and refuse what the element does not have', () => {
    const examples = [...doc.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code ?? '');
    expect(examples.length).toBeGreaterThan(0);
    const wrong = `
      import type { DhLiveViewer } from 'dh-live/web/dh-live-viewer.js';
      declare const viewer: DhLiveViewer;
      // @ts-expect-error the state is read only
      viewer.state = 'live';
      // @ts-expect-error there is no such state
      viewer.addEventListener('dh-state', ({ detail }) => detail.state === 'gone');
      document.addEventListener('dh-stats', ({ detail }) => detail.fps.toFixed(1));`;
    expect(compile([...examples, wrong])).toEqual([]);
  }, 60_000);
});

/** What a strict compiler says about modules that import this package. */
function compile(modules: string[]): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
    skipDefaultLibCheck: true,
    paths: { 'dh-live/*': [packagePath('*')] },
  };
  const host = ts.createCompilerHost(options);
  const files = new Map(modules.map((code, i) => [packagePath(`example-${i}.ts`), code]));
  const fileExists = host.fileExists.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.getSourceFile = (path, target, ...rest) => {
    const code = files.get(path);
    return code === undefined ? getSourceFile(path, target, ...rest) : ts.createSourceFile(path, code, target);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
}
