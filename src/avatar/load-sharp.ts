import type Sharp from 'sharp';

/**
 * Loads sharp when the first picture is decoded or drawn: the processes that never do that (control, stages) save its
 * memory. Its cache is off and its pool one thread: pictures are drawn once and never asked for again.
 */
export async function loadSharp(): Promise<typeof Sharp> {
  const { default: sharp } = await import('sharp');
  sharp.cache(false);
  sharp.concurrency(1);
  return sharp;
}
