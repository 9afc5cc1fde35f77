/** Installs the packages of package-lock.json when some are missing or of another version. Uses nothing but Node and npm. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The project's folder, with a slash at its end. */
export const root = fileURLToPath(new URL("..", import.meta.url));

const packagesOf = (file) => (existsSync(root + file) ? JSON.parse(readFileSync(root + file, "utf8")).packages : {});

/** npm's own note of what it installed says more than dates of files: it survives copies and checkouts. */
function installed() {
  const have = packagesOf("node_modules/.package-lock.json");
  return Object.entries(packagesOf("package-lock.json")).every(
    ([path, wanted]) => path === "" || wanted.optional === true || have[path]?.version === wanted.version,
  );
}

/**
 * Installs exactly what package-lock.json says, when that is not there yet. Not `npm ci`: it refuses a lock file that lacks the
 * binaries of other platforms, and npm leaves them out of the lock file where a registry does not offer them.
 * Throws when npm fails.
 */
export function installMissing() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new Error(`Node 20 or newer is needed; this is ${process.versions.node}.`);
  if (installed()) return;
  console.log("Installing packages (once) ...");
  const npm = process.env.npm_execpath;
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const run = npm === undefined ? ["npm", args] : [process.execPath, [npm, ...args]];
  const { status, error } = spawnSync(...run, { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error(`npm install failed${error === undefined ? "" : `: ${error.message}`}.`);
}
