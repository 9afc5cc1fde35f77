import type * as worker from "../../tracker-worker/index.ts";
import type { Environment } from "../../tracker-worker/environment.ts";

declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof worker;
    }
    interface Env extends Environment {}
  }
}
