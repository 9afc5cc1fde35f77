import { ACCESS_TYPES, type PeerProperties } from "../tracker/messages.ts";

/** What some browsers tell of a device; Chromium has both, Firefox and Safari neither. */
export interface Device {
  readonly connection?: { readonly type?: string } | undefined;
  getBattery?(): Promise<{ readonly charging: boolean }>;
}

/** How this device is connected and powered, as far as the browser tells; looked at anew for each report. */
export class Condition {
  #battery: { readonly charging: boolean } | undefined;
  readonly #device: Device | undefined;

  constructor(device: Device | undefined) {
    this.#device = device;
    // Refused where the page's permissions policy forbids it.
    this.#device?.getBattery?.().then(
      (battery) => (this.#battery = battery),
      () => undefined,
    );
  }

  get properties(): Pick<PeerProperties, "access" | "power"> {
    const type = this.#device?.connection?.type;
    const access = ACCESS_TYPES.find((known) => known === type);
    return {
      ...(access !== undefined && { access }),
      ...(this.#battery !== undefined && { power: this.#battery.charging ? "mains" : "battery" }),
    };
  }
}
