/**
 * Looks at the video of the page: seeks to each time, in seconds, and says how bright its middle is there; then plays it
 * from `playFromS` to its end.
 */
window.inspectVideo = async (times, playFromS) => {
  const video = document.querySelector('video');
  const once = (name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));
  if (video.readyState < 2) await Promise.race([once('loadeddata'), once('error')]);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 8;
  const context = canvas.getContext('2d');
  const levels = [];
  for (const time of times) {
    const sought = once('seeked');
    video.currentTime = time;
    await Promise.race([sought, once('error')]);
    context.drawImage(video, 0, 0, 8, 8);
    levels.push(context.getImageData(4, 4, 1, 1).data[0]);
  }
  const sought = once('seeked');
  video.currentTime = playFromS;
  await sought;
  const ended = once('ended').then(() => true);
  await video.play();
  const late = new Promise((resolve) => setTimeout(() => resolve(false), 20_000));
  return {
    error: video.error?.message ?? null,
    duration: video.duration,
    levels,
    ended: await Promise.race([ended, late]),
  };
};
