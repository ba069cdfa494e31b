/** The page `/`: fills the window with the session that `?session=` names. */
import { serverUrl, takeTokenFromAddress } from './base.js';
import './dh-live-viewer.js';

const session = new URLSearchParams(location.search).get('session') || 'main';
const viewer = document.querySelector('dh-live-viewer');
// Watching needs no token; one that somebody left in the address is neither used nor shown.
takeTokenFromAddress();
if (session !== 'main') document.title = `${session} – dh-live`;

// The element does not know where sessions are made.
viewer.addEventListener('dh-state', ({ detail }) => {
  document.querySelector('#no-session').hidden = detail.state !== 'missing';
});
// Who turned the sound on hears it after a reload as well, where the browser allows that.
try {
  viewer.muted = localStorage.getItem('dh-live.sound') !== 'on';
  // A browser that refuses the sound mutes it, too: only what a click or a key changed is kept.
  const keep = () => {
    const before = viewer.muted;
    setTimeout(() => {
      if (viewer.muted !== before) localStorage.setItem('dh-live.sound', viewer.muted ? 'off' : 'on');
    });
  };
  for (const name of ['click', 'keydown', 'input']) document.addEventListener(name, keep, true);
} catch {
  // A browser that keeps nothing for this page.
}
viewer.setAttribute('src', serverUrl(`whep/${encodeURIComponent(session)}`));
