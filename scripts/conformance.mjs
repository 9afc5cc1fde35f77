/** `npm run conformance`: writes docs/CONFORMANCE.md from test/conformance/musts.json. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";
import { root } from "./install.mjs";

const output = "docs/CONFORMANCE.md";

/** What the exemptions of musts.json mean. */
const exemptions = {
  live: "live streaming, a later milestone",
  certificates: "membership certificates, a later milestone",
  erratum: "withdrawn by an erratum",
  webrtc: "impossible over WebRTC",
};

const cell = (text) => text.replaceAll("|", "\\|");

/** The test files with their text. */
function sources() {
  return readdirSync(`${root}test`, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(test|spec)\.ts$/.test(path))
    .sort()
    .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(`${root}test/${path}`, "utf8") }));
}

function shownBy({ status }, files) {
  if ("exempt" in status) return `_${exemptions[status.exempt] ?? status.exempt}_: ${status.why}`;
  const file = files.find(({ text }) => ['"', "'", "`"].some((quote) => text.includes(quote + status.test + quote)));
  return file === undefined ? status.test : `[${status.test}](../test/${file.path})`;
}

/** The text of docs/CONFORMANCE.md. */
export async function conformance() {
  const requirements = JSON.parse(readFileSync(`${root}test/conformance/musts.json`, "utf8"));
  const files = sources();
  const counts = Object.entries(exemptions).flatMap(([code, meaning]) => {
    const count = requirements.filter(({ status }) => status.exempt === code).length;
    return count === 0 ? [] : [`- ${count} exempt: ${meaning}`];
  });
  const tested = requirements.filter(({ status }) => "test" in status).length;
  const rows = requirements.map(
    (row) => `| ${row.id} | ${row.section} | ${row.level} | ${cell(row.text)} | ${cell(shownBy(row, files))} |`,
  );
  const text = `# Conformance to RFC 7574

Every MUST of the peer protocol and its important SHOULDs, with the test that shows it or the reason why there is none. Sections and
words are those of draft-ietf-ppsp-peer-protocol-10; \`rule\` is what it states as a fact without a keyword; P136 and the rows behind it
are changes of the RFC, and what the first list had missed. Written by \`npm run conformance\` from \`test/conformance/musts.json\`;
\`npm test\` fails where a row has neither, names a test that does not run, or this page is not up to date.

- ${tested} of ${requirements.length} shown by a test
${counts.join("\n")}

| no. | section | level | requirement | shown by |
|---|---|---|---|---|
${rows.join("\n")}
`;
  return format(text, { ...JSON.parse(readFileSync(`${root}.prettierrc.json`, "utf8")), parser: "markdown" });
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(root + output, await conformance());
  console.log(`${output} is written.`);
}
