import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { publisherOf, signGrant } from "../../tracker/auth/grant.ts";
import { CommandError, systemReason } from "./command-error.ts";

/** A publisher's key pair. */
export interface PublisherKeys {
  readonly privateKey: KeyObject;
  /** The public key as operators list it. */
  readonly publisher: string;
}

/** Makes a key pair and keeps it in a new file (PKCS #8 in PEM) that only its owner may read. @throws CommandError */
export async function newKey(path: string): Promise<PublisherKeys> {
  const { privateKey } = generateKeyPairSync("ed25519");
  try {
    await writeFile(path, privateKey.export({ type: "pkcs8", format: "pem" }), { flag: "wx", mode: 0o600 });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new CommandError(exists ? "is there already: a key is never replaced" : systemReason(error), path);
  }
  return { privateKey, publisher: publicText(privateKey, path) };
}

/** Reads a private key: Ed25519 or ECDSA P-256, in PEM. @throws CommandError */
export async function readKey(path: string): Promise<PublisherKeys> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new CommandError(systemReason(error), path);
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(text);
  } catch {
    throw new CommandError("not a private key in PEM without password: ppsp publish --new-key makes one", path);
  }
  return { privateKey, publisher: publicText(privateKey, path) };
}

/** The publisher's word for a swarm. @param days - how long it holds; undefined: for good */
export function grantFor(
  { privateKey, publisher }: PublisherKeys,
  swarmId: Uint8Array,
  days: number | undefined,
): Promise<string> {
  const end = days === undefined ? undefined : Math.floor(Date.now() / 1000) + Math.round(days * 86_400);
  return signGrant(privateKey, publisher, Buffer.from(swarmId).toString("hex"), end);
}

function publicText(privateKey: KeyObject, path: string): string {
  const kinds = ["ed25519", "ec"];
  const jwk = kinds.includes(privateKey.asymmetricKeyType ?? "")
    ? createPublicKey(privateKey).export({ format: "jwk" })
    : {};
  const publisher = publisherOf(jwk);
  if (publisher === undefined) throw new CommandError("neither an Ed25519 nor an ECDSA P-256 key", path);
  return publisher;
}
