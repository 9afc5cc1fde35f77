/** The few lines of simple-peer 9.11 that a link uses; @types/simple-peer would drag Node's globals into a DOM project. */
declare module "simple-peer" {
  interface Events {
    signal: [data: unknown];
    connect: [];
    close: [];
    error: [error: Error];
  }

  export interface Options {
    initiator: boolean;
    trickle: boolean;
    channelName: string;
    channelConfig: RTCDataChannelInit;
    config: RTCConfiguration;
    wrtc: {
      RTCPeerConnection: typeof RTCPeerConnection;
      RTCSessionDescription: typeof RTCSessionDescription;
      RTCIceCandidate: typeof RTCIceCandidate;
    };
  }

  export default class SimplePeer {
    constructor(options: Options);
    /** @throws for signals that the browser refuses at once, and after destroy. */
    signal(data: object): void;
    destroy(): void;
    on<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): this;
  }
}
