import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "../video/index.ts";
import "./styles.css";
import { WatchPage } from "./watch-page.tsx";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root.");

const address = new URL(location.href);
createRoot(root).render(
  <StrictMode>
    <WatchPage
      src={address.searchParams.get("src") ?? "sample/master.m3u8"}
      tracker={address.searchParams.get("tracker") ?? undefined}
    />
  </StrictMode>,
);
