import { useState } from "react";

/** How to see peers at work: one needs a second viewer. */
export function Invite() {
  const [copied, setCopied] = useState<"yes" | "no">();
  const copy = () => {
    // Without a secure context there is no clipboard; the address bar remains.
    Promise.resolve(navigator.clipboard?.writeText(location.href) ?? Promise.reject(new Error("no clipboard"))).then(
      () => setCopied("yes"),
      () => setCopied("no"),
    );
  };
  return (
    <section className="invite" aria-labelledby="invite-title">
      <h2 id="invite-title">See it work</h2>
      <p>
        Open the film in a second window and keep both in view. The second one takes most of it from the first, not from
        the server.
      </p>
      <p className="actions">
        <button
          type="button"
          className="primary"
          onClick={() => window.open(location.href, "", "popup,width=1080,height=860")}
        >
          Open a second window
        </button>
        <button type="button" onClick={copy}>
          Copy the link
        </button>
        <span role="status">
          {copied === "yes" ? "Copied." : copied === "no" ? "Please copy it from the address bar." : ""}
        </span>
      </p>
    </section>
  );
}
