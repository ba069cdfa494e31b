// `npm start [-- flags of "dh-live serve"]`: makes ready what is missing, then serves.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, ensureBuilt, ensureInstalled, root } from './prepare.mjs';

checkNode();
ensureInstalled();
ensureBuilt();
const cli = join(root, 'dist', 'cli.js');
process.argv.splice(1, process.argv.length, cli, 'serve', ...process.argv.slice(2));
await import(pathToFileURL(cli).href);
