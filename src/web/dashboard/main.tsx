import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "../styles.css";
import "./dashboard.css";
import { DashboardPage } from "./dashboard-page.tsx";

const root = document.getElementById("root");
if (root === null) throw new Error("dashboard.html has no #root.");

const address = new URL(location.href);
createRoot(root).render(
  <StrictMode>
    <DashboardPage tracker={address.searchParams.get("tracker") ?? "http://127.0.0.1:8090/"} />
  </StrictMode>,
);
