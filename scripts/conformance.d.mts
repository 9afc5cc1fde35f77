/** A row of test/conformance/musts.json: what the text demands, and the test that shows it or why there is none. */
export interface Requirement {
  readonly id: string;
  readonly section: string;
  readonly level: string;
  readonly text: string;
  readonly status: { readonly test: string } | { readonly exempt: string; readonly why: string };
}
/** The text of docs/CONFORMANCE.md. */
export function conformance(): Promise<string>;
