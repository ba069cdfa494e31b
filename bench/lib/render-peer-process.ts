/** In a process of its own: one of the two other ways to render. Sends the seconds that it took. */
import { join } from 'node:path';
import { clipByClip, singlePass } from './render-peers.js';

const [kind, folder, image, temp] = process.argv.slice(2) as [string, string, string, string];
const begin = performance.now();
if (kind === 'single') await singlePass(folder, image, join(temp, 'single.mp4'));
else await clipByClip(folder, image, temp, join(temp, 'joined.mp4'));
// Without the start of the process and the loading of its modules.
process.send?.((performance.now() - begin) / 1000, () => process.disconnect());
