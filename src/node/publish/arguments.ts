import { MAX_SERVERS } from "../../core/content/presentation.ts";
import { CommandError } from "./command-error.ts";

/** The trackers that `--tracker` named. @throws CommandError */
export function readTrackers(urls: readonly string[]): readonly string[] {
  if (urls.length > MAX_SERVERS) throw new CommandError(`--tracker: at most ${MAX_SERVERS}`);
  return urls.map((url) => readHttpUrl("--tracker", url));
}

/** An http or https URL. @throws CommandError naming `option` */
export function readHttpUrl(option: string, url: string): string {
  if (/^https?:\/\/[^\s/]\S*$/i.test(url) && URL.canParse(url)) return url;
  throw new CommandError(`${option} ${url}: wants an http or https URL`);
}

/** The URL of a folder, which the names of what is in it are put behind. @throws CommandError naming `option` */
export function readFolderUrl(option: string, url: string): string {
  const { pathname } = new URL(readHttpUrl(option, url));
  if (!/[?#]/.test(url) && !/\.(m3u8?|mp4|webm|json)$/i.test(pathname)) return url.endsWith("/") ? url : `${url}/`;
  throw new CommandError(`${option} ${url}: ${option} wants the folder, without a file's name, ? or #`);
}

/** Whether an argument that should be a path is a URL. */
export const isUrl = (text: string): boolean => /^(?:[a-z][a-z0-9+.-]+:\/\/|ppsp:)/i.test(text);

/** The code that a name stands for. @throws CommandError that says which names there are */
export function oneOf<Code>(option: string, codes: Readonly<Record<string, Code>>, name: string): Code {
  const entry = Object.entries(codes).find(([known]) => known === name);
  if (entry === undefined) throw new CommandError(`${option} ${name}: knows ${Object.keys(codes).join(", ")}`);
  return entry[1];
}
