/** The page `/`: fills the window with the session that `?session=` names. */
import { pageToken, serverUrl } from './base.js';
import './dh-live-viewer.js';

const session = new URLSearchParams(location.search).get('session') || 'main';
const viewer = document.querySelector('dh-live-viewer');
const token = pageToken();
if (token) viewer.setAttribute('token', token);
viewer.setAttribute('src', serverUrl(`whep/${encodeURIComponent(session)}`));
if (session !== 'main') document.title = `${session} – dh-live`;
