/** Attributes of `<video>` that go straight to the inner one. */
const VIDEO_ATTRIBUTES = [
  "autoplay",
  "controls",
  "controlslist",
  "crossorigin",
  "disablepictureinpicture",
  "disableremoteplayback",
  "loop",
  "muted",
  "playsinline",
  "poster",
  "preload",
] as const;

/** Properties of HTMLVideoElement that are the inner one's. */
const PROPERTIES = [
  "autoplay",
  "buffered",
  "controls",
  "crossOrigin",
  "currentTime",
  "defaultMuted",
  "defaultPlaybackRate",
  "duration",
  "ended",
  "loop",
  "muted",
  "networkState",
  "paused",
  "playbackRate",
  "played",
  "playsInline",
  "poster",
  "preload",
  "preservesPitch",
  "readyState",
  "seekable",
  "seeking",
  "textTracks",
  "videoHeight",
  "videoWidth",
  "volume",
] as const satisfies readonly (keyof HTMLVideoElement)[];

/** Methods of HTMLVideoElement that are the inner one's. */
const METHODS = [
  "addTextTrack",
  "canPlayType",
  "cancelVideoFrameCallback",
  "fastSeek",
  "getVideoPlaybackQuality",
  "pause",
  "requestPictureInPicture",
  "requestVideoFrameCallback",
] as const;

/** Events of HTMLVideoElement that are dispatched again; `error` is the element's own. */
const EVENTS = [
  "abort",
  "canplay",
  "canplaythrough",
  "durationchange",
  "emptied",
  "ended",
  "enterpictureinpicture",
  "leavepictureinpicture",
  "loadeddata",
  "loadedmetadata",
  "loadstart",
  "pause",
  "play",
  "playing",
  "progress",
  "ratechange",
  "resize",
  "seeked",
  "seeking",
  "stalled",
  "suspend",
  "timeupdate",
  "volumechange",
  "waiting",
] as const;

/** Properties that `<video>` reflects as attributes: a write goes to the attribute, so that both always agree. */
const REFLECTED: Readonly<Record<string, { readonly attribute: string; readonly boolean: boolean }>> = {
  autoplay: { attribute: "autoplay", boolean: true },
  controls: { attribute: "controls", boolean: true },
  crossOrigin: { attribute: "crossorigin", boolean: false },
  defaultMuted: { attribute: "muted", boolean: true },
  loop: { attribute: "loop", boolean: true },
  playsInline: { attribute: "playsinline", boolean: true },
  poster: { attribute: "poster", boolean: false },
  preload: { attribute: "preload", boolean: false },
};

/** The interface of the inner `<video>`, as the element shows it. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the members are defined below, from the same lists
export interface MediaElement extends Pick<HTMLVideoElement, (typeof PROPERTIES)[number] | (typeof METHODS)[number]> {}

/** Where there is no DOM, as in a server-side renderer, the module can still be imported. */
const HTMLElementOrNothing = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

const STYLE = `:host { display: inline-block; line-height: 0; } :host([hidden]) { display: none; }
video { width: 100%; height: 100%; object-fit: inherit; }`;

/** An element that behaves as the `<video>` in its shadow root does: properties, methods, attributes and events. */
export class MediaElement extends HTMLElementOrNothing {
  static readonly observedAttributes: readonly string[] = VIDEO_ATTRIBUTES;

  /** The inner element, for what has no other way; it is not part of the interface. */
  readonly video: HTMLVideoElement;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.video = document.createElement("video");
    this.video.part.add("video");
    root.append(style, this.video);
    for (const type of EVENTS) {
      this.video.addEventListener(type, (event) => this.dispatchEvent(copy(event)));
    }
  }

  attributeChangedCallback(name: string, _before: string | null, value: string | null): void {
    if (!(VIDEO_ATTRIBUTES as readonly string[]).includes(name)) return;
    if (value === null) this.video.removeAttribute(name);
    else this.video.setAttribute(name, value);
    // The attribute alone is only the default of an element that has not been created yet.
    if (name === "muted") this.video.muted = value !== null;
  }
}

function copy(event: Event): Event {
  return new (event.constructor as typeof Event)(event.type, event);
}

for (const name of PROPERTIES) {
  const reflected = REFLECTED[name];
  Object.defineProperty(MediaElement.prototype, name, {
    configurable: true,
    enumerable: true,
    get(this: MediaElement) {
      return this.video[name];
    },
    set(this: MediaElement, value: string | number | boolean | null) {
      if (reflected === undefined) Reflect.set(this.video, name, value);
      else if (reflected.boolean) this.toggleAttribute(reflected.attribute, Boolean(value));
      else if (value === null) this.removeAttribute(reflected.attribute);
      else this.setAttribute(reflected.attribute, String(value));
    },
  });
}

for (const name of METHODS) {
  Object.defineProperty(MediaElement.prototype, name, {
    configurable: true,
    value(this: MediaElement, ...parameters: unknown[]): unknown {
      const method: unknown = Reflect.get(this.video, name);
      if (typeof method !== "function") throw new DOMException(`${name} is not supported`, "NotSupportedError");
      return Reflect.apply(method, this.video, parameters);
    },
  });
}
