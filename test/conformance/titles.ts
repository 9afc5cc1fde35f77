import ts from "typescript";

const RUNNERS = new Set(["test", "it"]);
/** What may stand between `test` and its title without taking the test out of the run. */
const HARMLESS = new Set(["each", "for", "concurrent", "sequential", "fails", "slow"]);

/**
 * The titles of the tests in a source file: first arguments of `test(…)`, `it(…)` and their `.each(…)(…)`, as they are written.
 * Tests that do not run (`skip`, `todo`, `skipIf`, `runIf`, or within such a `describe`) have no title here, nor has any
 * other text.
 */
export function testTitles(source: string, name = "a.test.ts"): string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const words = wordsOf(node.expression);
      const [first = "", ...modifiers] = words;
      if (first === "describe" && modifiers.some((word) => !HARMLESS.has(word))) return;
      if (RUNNERS.has(first) && modifiers.every((word) => HARMLESS.has(word))) {
        const [title, body] = node.arguments;
        if (title !== undefined && ts.isStringLiteralLike(title) && body !== undefined) titles.push(title.text);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(name, source, ts.ScriptTarget.ES2023));
  return titles;
}

/** `test.each([…])`, as the callee of a call, is "test", "each"; nothing for anything but names and calls of them. */
function wordsOf(callee: ts.Expression): string[] {
  if (ts.isIdentifier(callee)) return [callee.text];
  if (ts.isPropertyAccessExpression(callee)) return [...wordsOf(callee.expression), callee.name.text];
  if (ts.isCallExpression(callee)) return wordsOf(callee.expression);
  if (ts.isTaggedTemplateExpression(callee)) return wordsOf(callee.tag);
  return [];
}
