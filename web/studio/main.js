/** The page `/studio`: wires the panels. Each panel is a file of its own; `session-feed.js` brings the news. */
import '../dh-live-viewer.js';
import { AccessPanel } from './access-panel.js';
import { interrupt, isRefused, listVoices, whepUrl } from './api.js';
import { byId } from './dom.js';
import { ChartsPanel } from './charts-panel.js';
import { FiguresPanel } from './figures-panel.js';
import { FilePanel } from './file-panel.js';
import { durationText } from './format.js';
import { MicPanel } from './mic-panel.js';
import { nameOf } from './names.js';
import { hideNoSession, showNoSession } from './no-session.js';
import { clearNotice, logLine, showError } from './notices.js';
import { RecordPanel } from './record-panel.js';
import { ServerFeed } from './server-feed.js';
import { ServerPanel } from './server-panel.js';
import { SessionFeed } from './session-feed.js';
import { SessionsPanel } from './sessions-panel.js';
import { SpeakPanel } from './speak-panel.js';
import { TunePanel } from './tune-panel.js';
import { WaitingPanel } from './waiting-panel.js';

const viewer = document.querySelector('dh-live-viewer');
const sessions = new SessionsPanel(new URLSearchParams(location.search).get('session'));
const sessionId = () => sessions.current;
const figures = new FiguresPanel();
const charts = new ChartsPanel();
const server = new ServerPanel();
const serverFeed = new ServerFeed();
const tune = new TunePanel(sessionId);
const speak = new SpeakPanel(sessionId);
const mic = new MicPanel(sessionId, viewer);
const waiting = new WaitingPanel();
new FilePanel(sessionId);
new RecordPanel(viewer);
new AccessPanel(() => {
  feed = null;
  figures.refused();
  viewer.setAttribute('src', whepUrl(sessions.current ?? 'main'));
});
let feed = null;
let lastStarted = '';
let dropped = 0;
let lostAt = -Infinity;
let noSession = 'There is no session.';

tune.addEventListener('config', ({ detail }) => speak.setLimit(detail.config.limits?.maxTextChars));
serverFeed.addEventListener('history', ({ detail }) => charts.history(detail.data));
serverFeed.addEventListener('alerts', ({ detail }) => server.alerts(detail.data));
serverFeed.addEventListener('memory', ({ detail }) => {
  charts.memory(detail.data);
  server.memory(detail.data);
});
serverFeed.addEventListener('stats', ({ detail }) => {
  charts.stats(detail.data, serverFeed.has('memory'));
  figures.server(detail.data);
});
serverFeed.addEventListener('server-event', ({ detail }) => reportServer(detail));
sessions.addEventListener('chosen', ({ detail }) => show(detail.id));
sessions.addEventListener('list', ({ detail }) => {
  if (sessions.current === null) showNoSession(noSession, detail.ids, (id) => sessions.choose(id));
});
mic.addEventListener('talking', ({ detail }) => waiting.talking(detail.talking));
viewer.addEventListener('dh-stats', ({ detail }) => figures.received(detail));
viewer.addEventListener('dh-state', ({ detail }) => {
  figures.soundOnly(!detail.picture);
  if (detail.state !== 'live') figures.received(null);
});
byId('interrupt').addEventListener('click', () => void stopTalking());
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
  if (document.fullscreenElement) return;
  event.preventDefault();
  void stopTalking();
});

if (sessions.current) show(sessions.current);
void sessions.refresh();
void loadVoices();

/** Puts a session on show, or none. */
function show(id) {
  feed?.close();
  feed = null;
  mic.reset();
  figures.clear();
  charts.clearSession();
  tune.update(null);
  waiting.update(null);
  clearNotice();
  const link = new URL('./', location.href);
  if (id) link.searchParams.set('session', id);
  byId('viewer-link').href = link.href;
  if (!id) return viewer.removeAttribute('src');
  noSession = 'There is no session.';
  hideNoSession();
  viewer.setAttribute('src', whepUrl(id));
  feed = new SessionFeed(id);
  feed.addEventListener('info', ({ detail: { info } }) => {
    figures.update(info);
    tune.update(info);
    waiting.update(info);
    if (info) charts.session(info);
  });
  feed.addEventListener('event', ({ detail }) => {
    report(detail);
    figures.update(feed.info);
    if (detail.name.startsWith('utterance.')) feed.refresh();
  });
  feed.addEventListener('missing', ({ detail }) => {
    noSession = detail.seen ? `The session “${id}” was deleted.` : `There is no session “${id}”.`;
    logLine(noSession, 'warning');
    show(null);
    sessions.lose();
  });
  feed.addEventListener('trouble', ({ detail }) => showError(detail.error));
  feed.addEventListener('recovered', () => {
    clearNotice();
    logLine('The session is back.');
  });
}

function report({ name, data }) {
  const heard = Number.isFinite(data.playedMs) ? ` after ${durationText(data.playedMs)}` : '';
  switch (name) {
    case 'utterance.started':
      lastStarted = data.utteranceId;
      return logLine(spoken(data) ? `Speaks: ${spoken(data)}` : 'Began to speak.');
    case 'utterance.ended':
      // Why, a warning has said.
      if (data.error) return logLine(`Broke off${heard}.`, 'error');
      return logLine(`Finished${heard}.`);
    case 'utterance.interrupted':
      if (data.playedMs === 0 && data.utteranceId !== lastStarted) return countDropped();
      return logLine(`Interrupted${heard}.`, 'warning');
    case 'viewers':
      return logLine(data.count === 1 ? 'One viewer.' : `${data.count} viewers.`);
    case 'warning':
      if (data.code === 'audio_dropped') {
        mic.loseSound();
        // The server says it every second that it goes on.
        if (performance.now() - lostAt < 10_000) return undefined;
        lostAt = performance.now();
      }
      return logLine(data.message ?? data.code ?? 'Warning.', 'warning');
    default:
      return undefined;
  }
}

function reportServer({ name, data }) {
  switch (name) {
    case 'alert.raised':
      return logLine(data.message ?? 'Alert.', data.severity === 'critical' ? 'error' : 'warning');
    case 'alert.cleared':
      return logLine(`Over: ${data.message ?? data.name ?? 'alert'}`);
    case 'guard':
      if (data.what === 'collect') return undefined;
      return logLine(
        `Memory of ${data.process}: ${data.detail || data.step}`,
        data.what === 'step' ? 'warning' : 'info',
      );
    case 'stage':
      if (data.what === 'down') return logLine(`Stage ${data.index} is replaced: ${data.reason ?? ''}`, 'warning');
      if (data.what !== 'starved') return undefined;
      return logLine(
        `Stage ${data.index} got no CPU for ${durationText(data.waitedMs)}: this machine has too much to do.`,
        'warning',
      );
    case 'config.changed':
      return void tune.loadConfig();
    default:
      return undefined;
  }
}

const spoken = ({ text, utteranceId }) => text ?? nameOf(utteranceId);

/** What waited and is dropped is told one by one; here it is one line. */
function countDropped() {
  dropped += 1;
  if (dropped > 1) return;
  setTimeout(() => {
    logLine(
      dropped === 1 ? 'One more that waited was dropped.' : `${dropped} more that waited were dropped.`,
      'warning',
    );
    dropped = 0;
  }, 200);
}

async function stopTalking() {
  if (!feed) return;
  // A live microphone would begin to speak again at once.
  mic.pause();
  try {
    await interrupt(feed.id);
    clearNotice();
  } catch (error) {
    showError(error);
  }
}

async function loadVoices() {
  try {
    const voices = await listVoices();
    speak.setVoices(voices);
    sessions.setVoices(voices);
  } catch (error) {
    showError(error);
    if (!isRefused()) setTimeout(() => void loadVoices(), 3000);
  }
}
