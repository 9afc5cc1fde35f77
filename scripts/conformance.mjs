/** `npm run conformance`: writes docs/CONFORMANCE.md from the lists in test/conformance. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";
import { root } from "./install.mjs";

const output = "docs/CONFORMANCE.md";

/** What the exemptions mean. */
const exemptions = {
  live: "live streaming, a later milestone",
  certificates: "membership certificates, a later milestone",
  erratum: "withdrawn by an erratum",
  webrtc: "impossible over WebRTC",
  document: "about the text of an extension",
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

/** A list of requirements: how many are shown, and by what. */
function table(name, files) {
  const requirements = JSON.parse(readFileSync(`${root}test/conformance/${name}.json`, "utf8"));
  const counts = Object.entries(exemptions).flatMap(([code, meaning]) => {
    const count = requirements.filter(({ status }) => status.exempt === code).length;
    return count === 0 ? [] : [`- ${count} exempt: ${meaning}`];
  });
  const tested = requirements.filter(({ status }) => "test" in status).length;
  const rows = requirements.map(
    (row) => `| ${row.id} | ${row.section} | ${row.level} | ${cell(row.text)} | ${cell(shownBy(row, files))} |`,
  );
  return `- ${tested} of ${requirements.length} shown by a test
${counts.join("\n")}

| no. | section | level | requirement | shown by |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

/** The text of docs/CONFORMANCE.md. */
export async function conformance() {
  const files = sources();
  const text = `# Conformance

Every MUST of both protocols and their important SHOULDs, with the test that shows it or the reason why there is none. Written by
\`npm run conformance\` from \`musts.json\`, \`tracker-musts.json\` and \`requirement-musts.json\` in \`test/conformance\`; \`npm test\` fails where a row has neither,
names a test that does not run, or this page is not up to date. \`rule\` is what a text states as a fact without a keyword.

## RFC 7574

Sections and words are those of draft-ietf-ppsp-peer-protocol-10; P136 and the rows behind it are changes of the RFC, and what the
first list had missed.

${table("musts", files)}
## PPSP-TP/1.0

Sections and words are those of draft-ietf-ppsp-base-tracker-protocol-00. T114 and the rows behind it are our decisions on what its
Table 8 leaves open.

${table("tracker-musts", files)}
## Operation, management and the tracker

What RFC 6972 and the twelfth draft before it demand of the protocols' operation (PPSP.OAM) and of the tracker protocol (PPSP.TP); the two
number their rows differently.

${table("requirement-musts", files)}`;
  return format(text, { ...JSON.parse(readFileSync(`${root}.prettierrc.json`, "utf8")), parser: "markdown" });
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(root + output, await conformance());
  console.log(`${output} is written.`);
}
