// Reads an AsyncAPI document with AsyncAPI's own parser: node asyncapi.mjs FILE
//
// Prints what it complains of, one line each, and how many channels and messages it found. Exits 1
// after an error or a warning, or when it found nothing.

import { readFileSync } from "node:fs";
import parserModule from "@asyncapi/parser/cjs/index.js";

const SEVERITIES = ["error", "warning", "information", "hint"];
const WARNING = 1;

const { document, diagnostics } = await new parserModule.Parser().parse(
  readFileSync(process.argv[2], "utf8"),
);
for (const { severity, code, path, message } of diagnostics) {
  console.error(`${SEVERITIES[severity]}: ${code}: ${path.join(".")}: ${message}`);
}
const channels = document?.allChannels().all().length ?? 0;
const messages = document?.allMessages().all().length ?? 0;
console.log(JSON.stringify({ channels, messages }));
process.exitCode = diagnostics.some(({ severity }) => severity <= WARNING) || !messages ? 1 : 0;
