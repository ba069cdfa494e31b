/** Inside of `<dh-live-viewer>`: markup and style, kept apart from its behaviour. */

const icon = (name, path) => `<svg class="${name}" viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;

const SPEAKER = 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z';
const LOUD = `${SPEAKER}M15 8.6a4.6 4.6 0 0 1 0 6.8M17.6 6a8.2 8.2 0 0 1 0 12`;
const SILENT = `${SPEAKER}M15.5 9.5l5 5M20.5 9.5l-5 5`;
const ENTER = 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5';
const LEAVE = 'M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5';

export const TEMPLATE = `
<video id="video" playsinline autoplay muted disablepictureinpicture aria-label="Talking avatar"></video>
<img id="poster" alt="" hidden />
<div id="paused" class="pill" hidden>Paused</div>
<button id="sound" type="button" aria-label="Turn sound on" hidden>${icon('', LOUD)}<span>Turn sound on</span></button>
<div id="status" role="status" aria-live="polite" aria-atomic="true" hidden>
  <span class="spinner" aria-hidden="true"></span>
  ${icon('listening', LOUD)}
  <strong id="title"></strong>
  <span id="text"></span>
  <button id="retry" type="button" hidden>Try again</button>
</div>
<div id="controls" role="group" aria-label="Playback">
  <button id="mute" type="button">${icon('on', LOUD)}${icon('off', SILENT)}</button>
  <input id="volume" type="range" min="0" max="100" step="5" aria-label="Volume" />
  <span class="gap"></span>
  <button id="full" type="button" aria-label="Full screen (f)">${icon('off', ENTER)}${icon('on', LEAVE)}</button>
</div>`;

export const STYLE = `
:host {
  display: block; position: relative; overflow: hidden; contain: strict; container-type: size;
  min-width: 120px; min-height: 90px;
  background: var(--dh-live-background, #10151c);
  color: #f4f6f8; font: 500 1rem/1.4 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
:host(:not([data-active])[data-state="live"]:hover) { cursor: none; }
[hidden] { display: none !important; }
video {
  position: absolute; top: 50%; left: 50%; width: 100%; height: 100%;
  transform: translate(-50%, -50%);
  object-fit: cover; object-position: 50% 15%; opacity: 0; transition: opacity .3s, filter .3s;
}
:host([data-state="live"]) video { opacity: 1; }
/* A stage that is replaced is back in less than a second: nothing is dimmed and said for that. */
:host([data-state="reconnecting"]) video { opacity: .45; filter: saturate(.5); transition-delay: .6s; }
:host([data-state="reconnecting"]) #status { animation: appear .3s .6s both; }
@keyframes appear { from { opacity: 0; } }
#poster { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; object-position: 50% 35%; opacity: .35; }
:host([data-state="live"]:not([data-sound-only])) #poster, :host([data-state="reconnecting"]) #poster { display: none; }
#status {
  position: absolute; inset: 0; display: flex; flex-direction: column; gap: .35rem;
  align-items: center; justify-content: center; text-align: center; padding: 1.5rem;
}
#title { font-size: 1.25rem; font-weight: 600; letter-spacing: -.005em; }
#text { max-width: 34rem; color: #c3ccd6; font-size: .95rem; }
.spinner {
  width: 28px; height: 28px; margin-bottom: .6rem; border-radius: 50%;
  border: 2.5px solid #ffffff2e; border-top-color: #fff; animation: turn 1s linear infinite;
}
.listening { display: none; width: 72px; height: 72px; stroke-width: 1.2; margin-bottom: .4rem; }
:host([data-sound-only]) .listening { display: block; }
:host(:is([data-state="failed"], [data-state="missing"], [data-state="live"])) .spinner { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
button {
  font: inherit; color: inherit; border: 0; cursor: pointer; display: inline-flex; align-items: center; gap: .55rem;
  background: none; border-radius: 999px; min-width: 44px; min-height: 44px; justify-content: center; padding: 0;
}
svg {
  width: 24px; height: 24px; fill: none; stroke: currentColor; stroke-width: 1.8;
  stroke-linecap: round; stroke-linejoin: round; flex: none;
}
button:focus-visible, input:focus-visible { outline: 2px solid #fff; outline-offset: 2px; }
#sound, #retry {
  background: var(--dh-live-accent, #f4f6f8); color: var(--dh-live-accent-text, #10151c);
  padding: 0 1.35rem 0 1.1rem; font-weight: 600; min-height: 48px; box-shadow: 0 4px 24px #0006;
}
#sound { position: absolute; left: 50%; bottom: max(12%, 76px); transform: translateX(-50%); white-space: nowrap; z-index: 2; }
#sound:hover, #retry:hover { filter: brightness(.94); }
#retry { margin-top: 1rem; padding: 0 1.35rem; }
.pill {
  position: absolute; top: 16px; left: 50%; transform: translateX(-50%); padding: .3rem .9rem; border-radius: 999px;
  background: #000a; font-size: .9rem;
}
#controls {
  position: absolute; left: 0; right: 0; bottom: 0; display: flex; align-items: center; gap: .35rem;
  padding: 2.2rem .75rem max(.6rem, env(safe-area-inset-bottom)); background: linear-gradient(transparent, #000000a6);
  opacity: 0; transition: opacity .2s; pointer-events: none;
}
:host([hotkeys]) #sound { bottom: max(12%, 76px); }
:host([data-active]) #controls, #controls:focus-within { opacity: 1; pointer-events: auto; }
#controls button:hover { background: #ffffff24; }
.gap { flex: 1; }
[data-on="true"] .off, :not([data-on="true"]) > .on { display: none; }
#volume { width: 96px; accent-color: #fff; height: 24px; cursor: pointer; }
@container (max-width: 800px) {
  #sound { bottom: 14px; }
}
/* A phone on its side: the middle is the speaker's neck. */
@container (max-height: 460px) and (orientation: landscape) {
  #sound { left: auto; right: 14px; bottom: 14px; transform: none; }
}
@container (max-width: 480px) {
  #sound { min-height: 44px; font-size: .92rem; padding: 0 1rem 0 .8rem; }
  #title { font-size: 1.05rem; }
  #text { font-size: .88rem; }
}
/* A small picture is mostly face. */
@container (max-height: 240px) {
  #sound { min-height: 44px; padding: 0; }
  #sound span { display: none; }
}
@container (max-width: 300px) { #volume { display: none; } }
@media (prefers-reduced-motion: reduce) { video, #controls { transition: none; } .spinner { animation-duration: 4s; } }
`;
