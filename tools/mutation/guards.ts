import { parseAst } from "vitest/node";

/** A guard of a source said otherwise: the text from `start` to `end` becomes `replacement`. */
export type Mutant = { start: number; end: number; line: number; original: string; replacement: string; kind: Kind };
type Kind = "dropped" | "negated" | "off by one" | "flag turned";

/** The part of a syntax tree that is walked. */
type Node = { type: string; start: number; end: number } & Record<string, unknown>;

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

const childrenOf = (node: Node): Node[] =>
  Object.values(node)
    .flatMap((value) => (Array.isArray(value) ? value : [value]))
    .filter(isNode);

const SHIFTED: Readonly<Record<string, string>> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const TURNED: Readonly<Record<string, string>> = { "===": "!==", "!==": "===" };

/**
 * Every guard of a TypeScript source mutated one way at a time: a condition dropped (it never holds) or negated, one side of an
 * `&&` or `||` dropped, a comparison off by one or turned round, a flag of a table turned. In the order of the source.
 */
export const mutantsOf = (source: string): Mutant[] => {
  const mutants = new Map<string, Mutant>();
  const text = ({ start, end }: Node): string => source.slice(start, end);
  const add = ({ start, end }: Node, replacement: string, kind: Kind): void => {
    const line = source.slice(0, start).split("\n").length;
    const original = source.slice(start, end);
    // What is the whole condition of an `if` is negated there already.
    const key = `${start} ${end} ${kind === "negated" ? kind : replacement}`;
    if (!mutants.has(key)) mutants.set(key, { start, end, line, original, replacement, kind });
  };
  const compare = (node: Node, table: Readonly<Record<string, string>>, kind: Kind): void => {
    const other = table[String(node.operator)];
    if (other !== undefined) add(node, `${text(node.left as Node)} ${other} ${text(node.right as Node)}`, kind);
  };
  const walk = (node: Node): void => {
    switch (node.type) {
      case "IfStatement":
        add(node.test as Node, "false", "dropped");
        add(node.test as Node, `!(${text(node.test as Node)})`, "negated");
        break;
      case "ConditionalExpression":
        add(node.test as Node, `!(${text(node.test as Node)})`, "negated");
        break;
      case "LogicalExpression":
        if (node.operator === "??") break;
        add(node, text(node.left as Node), "dropped");
        add(node, text(node.right as Node), "dropped");
        break;
      case "BinaryExpression":
        compare(node, SHIFTED, "off by one");
        compare(node, TURNED, "negated");
        break;
      case "Property": {
        const { value } = node as { value?: Node };
        if (value?.type === "Literal" && typeof value.value === "boolean") {
          add(value, String(!value.value), "flag turned");
        }
      }
    }
    for (const child of childrenOf(node)) walk(child);
  };
  walk(parseAst(source, { lang: "ts" }) as unknown as Node);
  return [...mutants.values()].sort((left, right) => left.start - right.start || left.end - right.end);
};

/** The source with one mutant in it. */
export const withMutant = (source: string, { start, end, replacement }: Mutant): string =>
  source.slice(0, start) + replacement + source.slice(end);
