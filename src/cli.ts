#!/usr/bin/env node
// What is loaded here is all that runs before a limit that is too low for the rest can be named.
try {
  await import('./cli/program.js');
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
  process.stderr.write('dh-live: too few files may be open to load the program.\n  Raise the limit: ulimit -n 4096\n');
  process.exitCode = 1;
}
