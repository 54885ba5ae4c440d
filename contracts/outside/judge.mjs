// Judges messages by the published schemas, with ajv: node judge.mjs < messages
//
// Each line is {"topic": "order.created", "version": 1, "payload": "{\"event_id\": …}"}: the payload is
// text, the very bytes of the message. Prints one line per message that is refused, at most 20, and
// the number of accepted ones per topic and version. Exits 1 if one was refused or none was there.

import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const EVENTS = new URL("../events/", import.meta.url);
const REFUSED_SHOWN_MAX = 20;

const ajv = addFormats(new Ajv2020({ strict: true }));
const validators = new Map();
const accepted = new Map();
let refused = 0;

function validatorOf(name) {
  if (!validators.has(name)) {
    const file = new URL(`${name}.json`, EVENTS);
    const schema = existsSync(file) && JSON.parse(readFileSync(file, "utf8"));
    validators.set(name, schema && ajv.compile(schema));
  }
  return validators.get(name);
}

function reasonAgainst(name, payload) {
  const validate = validatorOf(name);
  if (!validate) return "there is no such schema";
  try {
    return validate(JSON.parse(payload)) ? null : ajv.errorsText(validate.errors);
  } catch (error) {
    return error.message;
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { topic, version, payload } = JSON.parse(line);
  const name = `${topic}/v${version}`;
  const reason = reasonAgainst(name, payload);
  if (reason === null) {
    accepted.set(name, (accepted.get(name) ?? 0) + 1);
  } else if (++refused <= REFUSED_SHOWN_MAX) {
    console.error(`${name}: ${reason}: ${payload}`);
  }
}

console.log(JSON.stringify(Object.fromEntries(accepted)));
if (refused > 0) console.error(`${refused} messages refused`);
if (refused === 0 && accepted.size === 0) console.error("no message came");
process.exitCode = refused === 0 && accepted.size > 0 ? 0 : 1;
