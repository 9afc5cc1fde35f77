import { XmlDocument, XsdValidator } from "libxml2-wasm";
import { xmlRegisterFsInputProviders } from "libxml2-wasm/lib/nodejs.mjs";

const FILES = {
  "urn:ppsp-player:tracker:1.0": "tracker.xsd",
  "urn:ppsp-player:tracker:registration:1": "registration.xsd",
  "urn:ppsp-player:tracker:statistics:1": "statistics.xsd",
  "urn:ppsp-player:tracker:lists:1": "lists.xsd",
  "urn:ppsp-player:tracker:signalling:1": "signalling.xsd",
  "urn:ppsp-player:tracker:grant:1": "grant.xsd",
} as const;

/** All of our schemas at once: extensions are checked too, where they stand. */
function loadSchemas(): XsdValidator {
  xmlRegisterFsInputProviders();
  const imports = Object.entries(FILES).map(
    ([namespace, file]) => `<xs:import namespace="${namespace}" schemaLocation="${file}"/>`,
  );
  const text = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">${imports.join("")}</xs:schema>`;
  const folder = new URL("../../docs/xsd/", import.meta.url);
  return XsdValidator.fromDoc(XmlDocument.fromString(text, { url: new URL("all.xsd", folder).pathname }));
}

const schemas = loadSchemas();

/** Checks a message against docs/xsd. @throws XmlValidateError that says what is wrong with it. */
export function validate(message: string): void {
  const document = XmlDocument.fromString(message);
  try {
    schemas.validate(document);
  } finally {
    document.dispose();
  }
}
