import { batched, byId, setText } from './dom.js';
import { Microphone } from './microphone.js';
import { logLine, showError } from './notices.js';

const WORDS = {
  off: 'Microphone off',
  opening: 'Opening the microphone…',
  ready: 'Microphone ready',
  talking: 'You are live',
};

const talk = byId('talk');
const handsFree = byId('hands-free');

/** Push to talk, or press once to talk and once more to stop. Event `talking` {talking}. */
export class MicPanel extends EventTarget {
  #sessionId;
  #viewer;
  #microphone = null;
  #level = 0;
  #mutedByUs = false;
  #drawLevel = batched(() => {
    // Square root: speech at its usual loudness then fills most of the bar.
    byId('level').style.transform = `scaleX(${Math.sqrt(this.#level).toFixed(3)})`;
  });

  /**
   * @param {() => string | null} sessionId the session that speaks
   * @param {{muted: boolean}} viewer the preview, silenced while the person talks if they want so
   */
  constructor(sessionId, viewer) {
    super();
    this.#sessionId = sessionId;
    this.#viewer = viewer;
    talk.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || handsFree.checked) return;
      talk.setPointerCapture(event.pointerId);
      this.#begin();
    });
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture', 'blur']) {
      talk.addEventListener(name, () => handsFree.checked || this.#end());
    }
    talk.addEventListener('keydown', (event) => {
      if (event.key !== ' ' && event.key !== 'Enter') return;
      event.preventDefault();
      if (event.repeat) return;
      if (handsFree.checked) this.#toggle();
      else this.#begin();
    });
    talk.addEventListener('keyup', (event) => {
      if ((event.key === ' ' || event.key === 'Enter') && !handsFree.checked) this.#end();
    });
    talk.addEventListener('click', (event) => {
      // A screen reader's click has no pointer to hold: it toggles.
      if (handsFree.checked || event.detail === 0) this.#toggle();
    });
    talk.addEventListener('contextmenu', (event) => event.preventDefault());
    handsFree.addEventListener('change', () => {
      this.#end();
      this.#label();
    });
  }

  /** Another session: the microphone is not carried over. */
  reset() {
    this.#microphone?.close();
    this.#microphone = null;
  }

  /** The server lost some of the sound: says what helps, while somebody talks. */
  loseSound() {
    if (this.#microphone?.state !== 'talking') return;
    setText(byId('mic-state'), `${WORDS.talking}. Some sound is lost: raise “Jitter buffer” under Tune.`);
  }

  /** Stops talking, if somebody does, and says so. */
  pause() {
    if (this.#microphone?.state !== 'talking') return;
    this.#end();
    logLine('The microphone is paused.');
  }

  #toggle() {
    const state = this.#microphone?.state;
    if (state === 'talking' || state === 'opening') this.#end();
    else this.#begin();
  }

  #begin() {
    const id = this.#sessionId();
    if (!id) return showError(new Error('There is no session to talk into.'));
    this.#microphone ??= this.#create(id);
    void this.#microphone.talk();
  }

  #end() {
    this.#microphone?.pause();
  }

  #create(id) {
    const microphone = new Microphone(id);
    microphone.addEventListener('state', ({ detail }) => this.#show(detail.state));
    microphone.addEventListener('level', ({ detail }) => {
      this.#level = Math.max(detail.peak, detail.peak === 0 ? 0 : this.#level * 0.85);
      this.#drawLevel();
    });
    microphone.addEventListener('problem', ({ detail }) => showError(detail));
    return microphone;
  }

  #show(state) {
    setText(byId('mic-state'), WORDS[state]);
    const talking = state === 'talking';
    if (talking !== (talk.dataset.state === 'talking')) {
      this.dispatchEvent(new CustomEvent('talking', { detail: { talking } }));
    }
    talk.dataset.state = state;
    this.#label();
    if (talking && byId('mute-preview').checked && !this.#viewer.muted) {
      this.#viewer.muted = true;
      this.#mutedByUs = true;
    } else if (!talking && this.#mutedByUs) {
      this.#mutedByUs = false;
      this.#viewer.muted = false;
    }
    const dropped = this.#microphone?.droppedBlocks ?? 0;
    if (state === 'off' && dropped > 0)
      logLine(`${dropped * 20} ms of the microphone were lost on a slow network.`, 'warning');
  }

  #label() {
    const talking = talk.dataset.state === 'talking';
    if (handsFree.checked) {
      talk.setAttribute('aria-pressed', String(talking));
      setText(talk, talking ? 'Stop talking' : 'Start talking');
    } else {
      talk.removeAttribute('aria-pressed');
      setText(talk, talking ? 'Release to stop' : 'Hold to talk');
    }
  }
}
