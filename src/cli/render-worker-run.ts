import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { MediaClient } from '../media/media-client.js';
import { LocalPreparer } from '../render/clip-preparer.js';
import { RedisWorker } from '../render/redis-worker.js';
import { SpeechService } from '../speech/speech-service.js';

/** Works until SIGINT or SIGTERM. Throws DhError `server_unreachable`, `config_invalid`. */
export async function runRenderWorker(url: string, jobs = availableParallelism()): Promise<void> {
  const media = new MediaClient({ maxWaiting: 64 });
  const speech = new SpeechService({ maxCharacters: Number.MAX_SAFE_INTEGER, repeatable: true });
  const preparer = new LocalPreparer(
    () => media,
    () => speech,
  );
  try {
    const worker = await RedisWorker.open({
      url,
      preparer,
      jobs,
      onClip: (key, error) =>
        process.stdout.write(error ? `${key}: ${error.message.split('\n')[0] ?? ''}\n` : `${key} prepared\n`),
    });
    process.stdout.write(`ready, ${jobs} at a time\n`);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    await worker.close();
  } finally {
    preparer.close();
    await Promise.all([media.close(), speech.close()]);
  }
}
